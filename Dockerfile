# For those who have a container engine: the same recipe as without one (`cargo run -p industrydata-image`), in a
# container. The image holds the operator and nothing else.
#
#   docker build --build-arg REVISION="$(git rev-parse HEAD)" --build-arg SOURCE_DATE_EPOCH="$(git log -1 --format=%ct)" .
FROM rust:1.95.0 AS build
WORKDIR /source
COPY . .
ARG REVISION=unknown
ARG SOURCE_DATE_EPOCH=0
RUN cargo run --locked --package industrydata-image -- \
    --output /image --revision "$REVISION" --created "$SOURCE_DATE_EPOCH"

FROM scratch
COPY --from=build /image/industrydata-operator /industrydata-operator
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/industrydata-operator"]
CMD ["run"]
