# Two images. `docker build .` makes bitb: one static binary on an empty file system, no shell, no package manager, no root.
#
#   docker run … bitb              the dashboard, the widget's API and the pages, and reading documents (the default, `serve`)
#   docker run … bitb work         reading documents alone
#   docker run … bitb migrate      brings the database to this version, then ends; run it before the others
#
# `docker build --target backup .` makes bitb-backup: the same binary beside PostgreSQL's own programs, which `backup`,
# `restore` and `drill` call; a drill starts a whole cluster. POSTGRES is the major version of the database.
#
# DATABASE_URL is bitb_app's, for serve and work; BITB_MIGRATE_DATABASE_URL is a superuser's, for
# migrate alone. README.md lists every setting, docs/deploying.md tells how all of it runs together.

ARG POSTGRES=17

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# Which commit this is; .git is not copied.
ARG REVISION
# timetzdata puts the time zones into the binary, which has no /usr/share/zoneinfo to look into.
RUN CGO_ENABLED=0 go build -trimpath -tags timetzdata,grpcnotrace -ldflags="-s -w -X main.revision=$REVISION" -o /out/bitb ./web
RUN mkdir -m 1777 /out/tmp

FROM pgvector/pgvector:0.8.6-pg$POSTGRES AS backup
# It has no authorities of its own, and buckets and models are reached over HTTPS.
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bitb /usr/local/bin/bitb
# A volume that is mounted here for the first time takes the directory's owner.
RUN install -d -o 999 -g 999 -m 700 /backups
ENV PATH=/usr/lib/postgresql/$PG_MAJOR/bin:$PATH BITB_METRICS_LISTEN=off
# The user postgres, by number: Kubernetes cannot tell from a name whether it is root. initdb wants one that has a name.
USER 999:999
ENTRYPOINT ["/usr/local/bin/bitb"]
CMD ["backup"]

FROM scratch AS bitb
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/bitb /bitb
# The only place that is written to: the PDF reader's compiled code (BITB_CACHE_DIR, by default below
# /tmp) and uploads in flight. With --read-only, mount a tmpfs there: --tmpfs /tmp:mode=1777.
COPY --from=build --chown=65532:65532 /out/tmp /tmp
VOLUME /tmp
ENV BITB_LISTEN=:8080 BITB_METRICS_LISTEN=:9464
USER 65532:65532
EXPOSE 8080 9464
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/bitb", "healthy"]
ENTRYPOINT ["/bitb"]
CMD ["serve"]
