"""An Authlib authorization server, built as in its documentation, with clients in a file."""

import hashlib
import json
import os
import secrets
import sys
import time

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin, grants, scope_to_list
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from flask import Flask, jsonify
from joserfc.jwk import KeySet, OctKey

PORT = int(sys.argv[1])
DIRECTORY = sys.argv[2]
LIFETIME_SECONDS = int(sys.argv[3])
ISSUER = f"http://127.0.0.1:{PORT}"
TOKEN_ENDPOINT = f"{ISSUER}/oauth/token"
TOKENS = os.path.join(DIRECTORY, "tokens.json")


class Client(ClientMixin):
    def __init__(self, given):
        self.given = given

    def get_client_id(self):
        return self.given["id"]

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        allowed = set(self.given["scope"].split())
        return " ".join(word for word in scope_to_list(scope or "") if word in allowed)

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        return secrets.compare_digest(self.given["secret"], client_secret)

    def check_endpoint_auth_method(self, method, endpoint):
        if method == JWTBearerClientAssertion.CLIENT_AUTH_METHOD:
            return self.given["method"] in ("client_secret_jwt", "private_key_jwt")
        return method == self.given["method"]

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == "client_credentials"


class Token(TokenMixin):
    def __init__(self, given):
        self.given = given

    def check_client(self, client):
        # The API may revoke every token.
        return client.get_client_id() in (self.given["client_id"], "api")

    def get_scope(self):
        return self.given["scope"]

    def get_expires_in(self):
        return LIFETIME_SECONDS

    def is_expired(self):
        return self.given["expires_at"] < time.time()

    def is_revoked(self):
        return self.given["revoked"]


def read_json(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def write_json(path, value):
    with open(f"{path}.new", "w", encoding="utf-8") as file:
        json.dump(value, file)
    os.replace(f"{path}.new", path)


def query_client(client_id):
    given = read_json(os.path.join(DIRECTORY, "clients.json")).get(client_id)
    return None if given is None else Client(given)


def digest(token):
    return hashlib.sha256(token.encode()).hexdigest()


def save_token(token, request):
    tokens = read_json(TOKENS)
    tokens[digest(token["access_token"])] = {
        "client_id": request.client.get_client_id(),
        "scope": token.get("scope", ""),
        "expires_at": time.time() + LIFETIME_SECONDS,
        "revoked": False,
    }
    write_json(TOKENS, tokens)


class Assertion(JWTBearerClientAssertion):
    used = set()

    def get_audiences(self):
        return [TOKEN_ENDPOINT]

    def validate_jti(self, claims, jti):
        key = (claims["sub"], jti)
        is_new = key not in self.used
        self.used.add(key)
        return is_new

    def resolve_client_public_key(self, client):
        if client.given["method"] == "client_secret_jwt":
            return OctKey.import_key(client.given["secret"])
        return KeySet.import_key_set({"keys": [client.given["jwk"]]})


class Revocation(RevocationEndpoint):
    def query_token(self, token_string, token_type_hint):
        given = read_json(TOKENS).get(digest(token_string))
        return None if given is None else Token({**given, "digest": digest(token_string)})

    def revoke_token(self, token, request):
        tokens = read_json(TOKENS)
        tokens[token.given["digest"]]["revoked"] = True
        write_json(TOKENS, tokens)


class Introspection(IntrospectionEndpoint):
    def query_token(self, token_string, token_type_hint):
        given = read_json(TOKENS).get(digest(token_string))
        return None if given is None else Token(given)

    def check_permission(self, token, client, request):
        return True

    def introspect_token(self, token):
        return {
            "active": True,
            "client_id": token.given["client_id"],
            "scope": token.get_scope(),
            "exp": int(token.given["expires_at"]),
        }


app = Flask(__name__)
app.config["OAUTH2_TOKEN_EXPIRES_IN"] = {"client_credentials": LIFETIME_SECONDS}
app.config["OAUTH2_SCOPES_SUPPORTED"] = ["orders.read"]
server = AuthorizationServer(app, query_client=query_client, save_token=save_token)


class ClientCredentialsGrant(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = [
        "client_secret_basic",
        "client_secret_post",
        JWTBearerClientAssertion.CLIENT_AUTH_METHOD,
    ]


server.register_grant(ClientCredentialsGrant)
server.register_client_auth_method(JWTBearerClientAssertion.CLIENT_AUTH_METHOD, Assertion())
server.register_endpoint(Revocation)
server.register_endpoint(Introspection)


@app.post("/oauth/token")
def issue_token():
    return server.create_token_response()


@app.post("/oauth/revoke")
def revoke():
    return server.create_endpoint_response(Revocation.ENDPOINT_NAME)


@app.post("/oauth/introspect")
def introspect():
    return server.create_endpoint_response(Introspection.ENDPOINT_NAME)


@app.get("/.well-known/oauth-authorization-server")
def metadata():
    return jsonify(
        issuer=ISSUER,
        token_endpoint=TOKEN_ENDPOINT,
        introspection_endpoint=f"{ISSUER}/oauth/introspect",
        revocation_endpoint=f"{ISSUER}/oauth/revoke",
        response_types_supported=[],
        grant_types_supported=["client_credentials"],
        token_endpoint_auth_methods_supported=[
            "client_secret_basic",
            "client_secret_post",
            "client_secret_jwt",
            "private_key_jwt",
        ],
    )


# Single-threaded, because all tokens are in one file.
app.run("127.0.0.1", PORT, threaded=False)
