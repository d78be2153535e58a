// An issuer of tokens with OpenID Connect metadata and a key set, by oauth2-mock-server. It begins without keys.
//
//   node issuer.mjs PORT FOLDER-OF-PACKAGES
//
// POST /control/keys     adds a private key; its public part is published
// POST /control/publish  publishes a key that the library refuses
// GET /control/fetches   how often the key set was fetched

import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';

const [port, folder] = process.argv.slice(2);
const resolve = createRequire(`${folder}/`).resolve;
const { OAuth2Issuer, OAuth2Service } = await import(pathToFileURL(resolve('oauth2-mock-server')));

const issuer = new OAuth2Issuer();
issuer.url = `http://127.0.0.1:${port}`;
const service = new OAuth2Service(issuer);
service.on('beforeTokenSigning', (token) => {
  Object.assign(token.payload, { sub: 'coyote', aud: 'chat' });
});

const extra = [];
let fetches = 0;

async function json(request) {
  let text = '';
  for await (const piece of request) text += piece;
  return JSON.parse(text);
}

createServer(async (request, response) => {
  const reply = (body) => {
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(body));
  };
  switch (request.url) {
    case '/control/keys':
      await issuer.keys.add(await json(request));
      return reply({});
    case '/control/publish':
      extra.push(await json(request));
      return reply({});
    case '/control/fetches':
      return reply(fetches);
    case '/jwks':
      fetches += 1;
      if (extra.length > 0) return reply({ keys: [...extra, ...issuer.keys.toJSON()] });
      return service.requestHandler(request, response);
    default:
      return service.requestHandler(request, response);
  }
}).listen(Number(port), '127.0.0.1');
