/** Parses the responses of one connection only as far as needed to count them. */
export type ResponseReader = {
  /** Returns whether the response is complete. */
  read(chunk: Buffer): boolean
}

const HEAD_END = '\r\n\r\n'

/** Throws on any status other than 200 and on a response without Content-Length. */
export function createResponseReader(): ResponseReader {
  let head = ''
  let bodyBytesLeft = 0
  return {
    read(chunk) {
      if (bodyBytesLeft > 0) {
        bodyBytesLeft -= chunk.length
        return isComplete()
      }
      head += chunk.toString('latin1')
      const end = head.indexOf(HEAD_END)
      if (end === -1) return false
      bodyBytesLeft = contentLength(head.slice(0, end)) - (head.length - end - HEAD_END.length)
      head = ''
      return isComplete()
    },
  }

  function isComplete(): boolean {
    if (bodyBytesLeft < 0) throw new Error('more data than Content-Length')
    return bodyBytesLeft === 0
  }
}

function contentLength(head: string): number {
  const status = head.slice(9, 12)
  if (status !== '200') throw new Error(`a response with status ${status}`)
  const length = /^content-length: *(\d+)/im.exec(head)?.[1]
  if (length === undefined) throw new Error('a response without Content-Length')
  return Number(length)
}
