import { defineHandler, type DeviceInfo, Status } from '@tcmu/host/handler'

interface Options {
  readonly upperCase?: boolean
}

export default defineHandler({
  subtype: 'pattern',
  checkConfig: (text) => text !== '' || 'the text to repeat is missing; write pattern/ and then the text',

  open(dev: DeviceInfo<Options>) {
    const text = dev.options?.upperCase ? dev.config.toUpperCase() : dev.config
    dev.declare({ readOnly: true, product: 'pattern' })
    dev.log.info(`repeating ${JSON.stringify(text)}`)
    return Buffer.from(text)
  },

  async read(pattern, io) {
    const out = Buffer.alloc(io.length, pattern)
    const into = io.offset % pattern.length
    io.data.set(Buffer.concat([pattern.subarray(into), out]))
  },
  write: () => Status.WRITE_PROTECTED,
})
