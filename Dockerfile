# One static binary on an empty file system: no shell, no package manager, no root.
#
#   docker run … bitb              the dashboard, the widget's API and the pages (the default, `serve`)
#   docker run … bitb work         the ingestion jobs
#   docker run … bitb migrate      brings the database to this version, then ends; run it before the others
#
# DATABASE_URL is bitb_app's, for serve and work; BITB_MIGRATE_DATABASE_URL is a superuser's, for
# migrate alone. README.md lists every setting. /healthz and /readyz are there to be probed over HTTP:
# the image holds no program that a HEALTHCHECK could call.

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# timetzdata puts the time zones into the binary, which has no /usr/share/zoneinfo to look into.
RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata,grpcnotrace -ldflags="-s -w" -o /out/bitb ./web
RUN mkdir -m 1777 /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bitb /bitb
# The only place that is written to: the PDF reader's compiled code (BITB_CACHE_DIR, by default below
# /tmp) and uploads in flight. With --read-only, mount a tmpfs there: --tmpfs /tmp:mode=1777.
COPY --from=build --chown=65532:65532 /out/tmp /tmp
VOLUME /tmp
ENV BITB_LISTEN=:8080 BITB_METRICS_LISTEN=:9464
USER 65532:65532
EXPOSE 8080 9464
ENTRYPOINT ["/bitb"]
CMD ["serve"]
