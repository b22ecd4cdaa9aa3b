/** Clients as an application contains them: no proxy and no CA is configured. Each prints the response body. */
export const PYTHON_CLIENTS = {
  urllib: `
import sys, urllib.request
with urllib.request.urlopen(sys.argv[1]) as response:
    sys.stdout.write(response.read().decode())
`,
  requests: `
import sys, requests
response = requests.get(sys.argv[1])
response.raise_for_status()
sys.stdout.write(response.text)
`,
  httpx: `
import sys, httpx
response = httpx.get(sys.argv[1])
response.raise_for_status()
sys.stdout.write(response.text)
`,
  aiohttp: `
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        async with session.get(sys.argv[1]) as response:
            response.raise_for_status()
            sys.stdout.write(await response.text())
asyncio.run(main())
`,
  grpc: `
import sys, grpc, urllib.parse
url = urllib.parse.urlsplit(sys.argv[1])
secure = url.scheme == 'https'
target = '%s:%d' % (url.hostname, url.port or (443 if secure else 80))
channel = grpc.secure_channel(target, grpc.ssl_channel_credentials()) if secure else grpc.insecure_channel(target)
sys.stdout.write(channel.unary_unary('/test.Echo/Unary')(b'hello').decode())
`,
} as const

export const NODE_CLIENTS = {
  fetch: `
fetch(process.argv[1]).then(async (response) => {
  if (!response.ok) throw new Error(String(response.status))
  process.stdout.write(await response.text())
})
`,
  https: `
const url = process.argv[1]
require(url.startsWith('https:') ? 'node:https' : 'node:http').get(url, (response) => {
  response.pipe(process.stdout)
  if (response.statusCode !== 200) process.exitCode = 1
})
`,
  axios: `
require('axios').get(process.argv[1]).then(({ data }) => process.stdout.write(data))
`,
  grpc: `
const { Client, credentials } = require('@grpc/grpc-js')
const { protocol, hostname, port } = new URL(process.argv[1])
const isSecure = protocol === 'https:'
const asIs = (message) => message
new Client(
  hostname + ':' + (port || (isSecure ? 443 : 80)),
  isSecure ? credentials.createSsl() : credentials.createInsecure(),
).makeUnaryRequest('/test.Echo/Unary', asIs, asIs, Buffer.from('hello'), (error, response) => {
  if (error) throw error
  process.stdout.write(String(response))
})
`,
} as const

export const JAVA_CLIENTS = {
  JavaHttpClient: `
import java.net.URI;
import java.net.http.*;

class JavaHttpClient {
  public static void main(String[] args) throws Exception {
    var request = HttpRequest.newBuilder(URI.create(args[0])).build();
    var response = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString());
    if (response.statusCode() != 200) throw new Exception("status " + response.statusCode());
    System.out.print(response.body());
  }
}
`,
  JavaUrlConnection: `
import java.net.*;

class JavaUrlConnection {
  public static void main(String[] args) throws Exception {
    var connection = (HttpURLConnection) URI.create(args[0]).toURL().openConnection();
    connection.getInputStream().transferTo(System.out);
    System.out.flush();
  }
}
`,
} as const

export const GO_CLIENT = `
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
)

func main() {
	response, err := http.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	defer response.Body.Close()
	io.Copy(os.Stdout, response.Body)
	if response.StatusCode != 200 {
		os.Exit(1)
	}
}
`
