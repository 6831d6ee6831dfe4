# The service's image, with two targets (--target):
#   service   only the program, for container executors over a mounted socket: an ordinary user, no shell, 26 MB
#   native    the default: the program and the Python runtime, for the native executor
# docs/deployment.md says how to use them. Nothing here needs BuildKit.

# Each base can be pinned by its digest (name:tag@sha256:...): see docs/deployment.md, "Pinned bases".
# For compiling: Rust of Cargo.toml's rust-version or newer, a C linker.
ARG BUILDER_BASE=rust:1-bookworm
# For the runtime: CPython 3.11 to 3.14 with venv, for glibc.
ARG PYTHON_BASE=python:3.13-slim-bookworm
# The base of both images. A binary that is not static needs one with its libraries.
ARG FINAL_BASE=scratch

FROM ${BUILDER_BASE} AS build
WORKDIR /src
COPY . .
# Static, so that it runs in an otherwise empty image. An existing binary at `prebuilt/python-sandbox` is used unchanged.
RUN set -eu; mkdir -p /out/data; \
    if [ -f prebuilt/python-sandbox ]; then cp prebuilt/python-sandbox /out/; else \
        target=$(rustc -vV | sed -n 's/^host: //p'); \
        RUSTFLAGS='-C target-feature=+crt-static' \
            cargo build --release --locked --package python-sandbox --target "$target" --target-dir /build; \
        cp "/build/$target/release/python-sandbox" /out/; \
        rm -rf /build; \
    fi; chmod 755 /out/python-sandbox

FROM ${FINAL_BASE} AS base
COPY --from=build /out/python-sandbox /usr/local/bin/python-sandbox
# Loopback in a container is reachable only from inside. Publish the port on the host's loopback instead.
ENV HOST=0.0.0.0 DATA_DIR=/data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=10s --start-period=60s CMD ["/usr/local/bin/python-sandbox", "health"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/python-sandbox"]
CMD ["serve"]

FROM base AS service
COPY --from=build --chown=65532:65532 /out/data /data
ENV EXECUTOR_PROVIDER=docker EXECUTOR_FALLBACK_PROVIDERS=
USER 65532:65532
VOLUME /data

FROM ${PYTHON_BASE} AS runtime
# The package list, minimal or full: see runtime/README.md.
ARG PACKAGES=minimal
COPY --from=build /out/python-sandbox /usr/local/bin/
# A directory `wheels` in the context saves the downloads. The package list is copied only because COPY without a match
# is an error.
COPY runtime/packages-${PACKAGES}.lock wheel[s] /prepare/runtime/wheels/
RUN python-sandbox --set DATA_DIR=/prepare setup --packages ${PACKAGES} && mv /prepare/runtime/cpython-*/rootfs /rootfs && rm -rf /prepare

# Root inside, because it creates namespaces and mounts; docker-compose.yml lists the capabilities that it needs.
FROM base AS native
COPY --from=runtime /rootfs /runtime
COPY --from=build /out/data /data
ENV RUNTIME_ROOTFS=/runtime EXECUTOR_PROVIDER=native EXECUTOR_FALLBACK_PROVIDERS= NATIVE_CGROUP_REMOUNT=true
VOLUME /data
