import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect, isIP } from 'node:net'
import { Client, credentials, Metadata } from '@grpc/grpc-js'

/* What an application does in a pod. Arguments: one of the actions below, and what it needs. Prints the outcome. */

const asIs = (octets: Buffer): Buffer => octets

const actions: Readonly<Record<string, (...args: string[]) => Promise<string>>> = {
  /** Sends a datagram, and waits for it to come back. */
  async udp(address = '', port = '') {
    const socket = createSocket(isIP(address) === 6 ? 'udp6' : 'udp4')
    const outcome = Promise.withResolvers<string>()
    socket.on('error', (error) => outcome.resolve(codeOf(error)))
    socket.on('message', () => outcome.resolve('received'))
    socket.connect(Number(port), address)
    await once(socket, 'connect')
    socket.send('ping')
    const received = await outcome.promise
    socket.close()
    return received
  },

  /** Opens a connection, and writes when a line arrives on standard input. */
  async hold(address = '', port = '') {
    const socket = connect(Number(port), address)
    const outcome = Promise.withResolvers<string>()
    socket.on('error', (error) => outcome.resolve(codeOf(error)))
    socket.on('data', (data) => outcome.resolve(data.toString()))
    await once(socket, 'connect')
    process.stdout.write('connected\n')
    await once(process.stdin, 'data')
    socket.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
    const ended = await outcome.promise
    socket.destroy()
    process.stdin.destroy()
    return ended
  },

  /** Calls a gRPC method, and prints its message and the token that the server has received. */
  async grpc(target = '', ca = '') {
    const client = new Client(target, credentials.createSsl(readFileSync(ca)))
    const outcome = Promise.withResolvers<string>()
    let message = ''
    const call = client.makeUnaryRequest(
      '/test.Echo/Unary',
      asIs,
      asIs,
      Buffer.from('hello'),
      new Metadata(),
      (error, value) => {
        message = error === null ? (value?.toString() ?? '') : `${error.code} ${error.details}`
      },
    )
    call.on('status', ({ metadata }) => {
      outcome.resolve(`${message} ${metadata.get('x-authorization').join(', ')}`)
    })
    const received = await outcome.promise
    client.close()
    return received
  },

  /** Serves HTTP until it is killed. */
  async serve(address = '', port = '') {
    const server = createServer((_req, res) => res.end('own server\n'))
    server.listen(Number(port), address)
    await once(server, 'listening')
    return 'listening'
  },
}

function codeOf(error: Error): string {
  return 'code' in error ? String(error.code) : error.message
}

const [, , name = '', ...args] = process.argv
const action = actions[name]
if (action === undefined) throw new Error(`unknown action "${name}"`)
process.stdout.write(`${await action(...args)}\n`)
