# The demo's workload: one tile of a picture, rendered with POV-Ray. Where no registry can be reached,
# render-image.ts makes the same image from the same Debian packages.
FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends busybox-static netpbm povray povray-includes \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/archives/*.deb
COPY render-povray.conf /etc/povray/3.7/povray.conf
COPY render-tile /usr/local/bin/render-tile
RUN mkdir -p /in /out && chown 65532:65532 /out
USER 65532:65532
WORKDIR /tmp
CMD ["/usr/local/bin/render-tile"]
