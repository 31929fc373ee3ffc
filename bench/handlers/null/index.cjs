const { defineHandler, Status } = require('@tcmu/host/handler')

module.exports = defineHandler({
  subtype: 'benchnull',
  open: () => undefined,
  read: () => Status.OK,
  write: () => Status.OK,
})
