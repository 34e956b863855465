# For those who have a container engine: `docker build --tag pim-operator .`
FROM rust:1.95.0-trixie AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --package pim-operator --bin pim-operator \
    && hack/image-root target/release/pim-operator /image

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/pim-operator"]
CMD ["run", "--leader-elect"]
