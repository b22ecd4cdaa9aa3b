# Build:  docker build -t token-sidecar .
# Run:    docker run --read-only --cap-drop ALL --network host \
#           -v "$PWD/token-sidecar.yaml:/etc/token-sidecar/token-sidecar.yaml:ro" token-sidecar

# The exact version that the tests run on ("node" in package.json). A release pins the digest,
# "…-slim@sha256:<digest>", here and below: see docs/release.md.
FROM node:26.10.0-bookworm-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN ["npm", "ci", "--no-audit", "--no-fund"]
COPY tsconfig.json rolldown.config.ts ./
COPY scripts/sbom.ts ./scripts/
COPY src ./src
RUN ["npm", "run", "build"]

FROM node:26.10.0-bookworm-slim
LABEL org.opencontainers.image.title="token-sidecar" \
      org.opencontainers.image.description="Gives an application that knows nothing about OAuth the access tokens its APIs demand" \
      org.opencontainers.image.version="0.1.0" \
      org.opencontainers.image.licenses="Apache-2.0"

# One bundled file. Without package.json, which declares it an ES module, Node parses it twice and
# uses 12 MB more. The source map is for stack traces. The licences of the bundled libraries require
# their notices, and image scanners find the libraries in the SBOM (*.cdx.json).
WORKDIR /app
COPY LICENSE THIRD-PARTY-NOTICES ./
COPY --from=build /build/package.json /build/dist/cli.js /build/dist/cli.js.map /build/dist/token-sidecar.cdx.json ./

# A file name, not a token:
# hadolint ignore=DL3064
ENV TOKEN_SIDECAR_CONFIG=/etc/token-sidecar/token-sidecar.yaml

# This user ID has no account in the image, so it owns no file and can write none. It is numeric
# because Kubernetes checks runAsNonRoot only for numeric IDs. It must be able to read mounted secrets.
USER 65532:65532

EXPOSE 8080 9090

# Requests in progress finish within shutdown.deadline; a second signal stops at once.
STOPSIGNAL SIGTERM

# Exec form, without a shell, so that signals reach the sidecar itself. The check reads the
# configuration that TOKEN_SIDECAR_CONFIG names, also if it is overridden.
HEALTHCHECK --interval=15s --timeout=5s --start-period=15s --retries=3 \
  CMD ["node", "/app/cli.js", "health"]

# docs/decisions/0015-custom-components.md and docs/performance.md have the measurements for each flag.
# - max-semi-space-size: V8 derives the size of the young generation from the memory limit. In a small container it
#   would be 1 MB, which costs at least a third more CPU. 16 MB needs no more CPU than the 32 MB of a large machine, and
#   27 MB less memory.
# - no-allocation-site-pretenuring: with hundreds of connections V8 would pretenure the objects of requests, so that
#   only a full garbage collection frees them.
# - v8-pool-size: V8 would compile and collect in four threads, which delay the main thread.
# - expose-gc: the sidecar forces one full garbage collection after start-up.
ENTRYPOINT ["node", "--max-semi-space-size=16", "--no-allocation-site-pretenuring", "--v8-pool-size=1", "--expose-gc", "/app/cli.js"]
CMD ["run"]
