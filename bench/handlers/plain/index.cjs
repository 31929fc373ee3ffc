const { defineHandler } = require('@tcmu/host/handler')

module.exports = defineHandler({
  subtype: 'benchplain',
  // The file is another daemon's as well: its pages would lie elsewhere in memory, which makes a difference of a fifth.
  open: (dev) => dev.io.open(dev.config, { lock: false }),
  close: (file) => file.close(),
  async read(file, { data, offset }) {
    await file.readv(data, offset)
  },
  async write(file, { data, offset }) {
    await file.writev(data, offset)
  },
  flush: (file) => file.sync(),
})
