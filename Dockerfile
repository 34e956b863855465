# For those who have a container engine: `docker build --tag pim-operator .`
FROM rust:1-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --release --package pim-operator --bin pim-operator \
    && install -D --strip target/release/pim-operator /image/pim-operator
# All that the program needs besides itself: the C library it is linked with, root certificates, and nobody's account.
RUN ldd /image/pim-operator | grep --only-matching '/[^ ]*' | xargs --replace install -D --mode=0755 {} /image{} \
    && install -D --mode=0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt \
    && echo 'nonroot:x:65532:65532::/:/sbin/nologin' > /image/etc/passwd

FROM scratch
COPY --from=build /image /
USER 65532:65532
ENTRYPOINT ["/pim-operator"]
CMD ["run", "--leader-elect"]
