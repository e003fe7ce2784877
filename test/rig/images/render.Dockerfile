# The demo's workload: one tile of a picture, rendered with POV-Ray. Where no registry can be reached,
# render-image.ts makes the same image from the same Debian packages.
FROM debian:bookworm-20261005-slim@sha256:7c7b2c966bc9ee8cedfeef67e0e279108992c77681fa595db4a9d65c06ccc587
RUN apt-get update \
 && apt-get install -y --no-install-recommends busybox-static netpbm povray povray-includes \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
COPY render-povray.conf /etc/povray/3.7/povray.conf
COPY render-tile /usr/local/bin/render-tile
RUN mkdir -p /in /out && chown 65532:65532 /out
USER 65532:65532
WORKDIR /tmp
CMD ["/usr/local/bin/render-tile"]
