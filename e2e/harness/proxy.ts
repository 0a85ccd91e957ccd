import { connect, createServer, type AddressInfo, type Server as NetServer, type Socket } from 'node:net'

/** A wire between browser and server that can be cut. */
export class Proxy {
  url = ''
  private cut = false
  private readonly sockets = new Set<Socket>()
  private readonly listener: NetServer

  private constructor(to: string) {
    const { hostname, port } = new URL(to)
    this.listener = createServer((client) => {
      if (this.cut) return client.destroy()
      const server = connect(Number(port), hostname)
      for (const [socket, other] of [[client, server], [server, client]] as const) {
        this.sockets.add(socket)
        socket.on('error', () => {}).on('close', () => {
          this.sockets.delete(socket)
          other.destroy()
        })
        socket.pipe(other)
      }
    })
  }

  static async to(url: string): Promise<Proxy> {
    const proxy = new Proxy(url)
    await new Promise<void>((resolve) => proxy.listener.listen(0, '127.0.0.1', resolve))
    proxy.url = `http://127.0.0.1:${(proxy.listener.address() as AddressInfo).port}`
    return proxy
  }

  /** Ends every connection, and until mend() each new one. */
  drop() {
    this.cut = true
    for (const socket of this.sockets) socket.destroy()
  }

  mend() {
    this.cut = false
  }

  dispose() {
    this.drop()
    return new Promise((resolve) => this.listener.close(resolve))
  }
}
