const { defineHandler } = require('@tcmu/host/handler')

module.exports = defineHandler({
  subtype: 'benchplain',
  open: (dev) => dev.io.open(dev.config),
  close: (file) => file.close(),
  async read(file, { data, offset }) {
    await file.readv(data, offset)
  },
  async write(file, { data, offset }) {
    await file.writev(data, offset)
  },
  flush: (file) => file.sync(),
})
