// Files by their content: archives of templates, as admins upload and daemons fetch them (RUN-2).

#include "api/commit.h"
#include "api/query.h"
#include "api/routes.h"
#include "fleet/blob.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

struct BlobView {
  std::string hash;
  std::int64_t size = 0;
};
SLIPWAY_JSON_CAMEL(BlobView, hash, size)
inline const json::Rules& json_rules(const BlobView*) {
  static const json::Rules rules{{.member = "hash", .description = "SHA-256 of the bytes, in lower-case hex digits"},
                                 {.member = "size", .description = "In bytes"}};
  return rules;
}

// What is no hash names nothing.
std::string hash_of(const Call& call) {
  const auto& hash = call.parameters.at(0);
  if (!fleet::is_blob_hash(hash)) throw base::not_found("blob", hash);
  return hash;
}

Answer put(Call& call) {
  parse_query<NoQuery>(call);
  const auto& hash = call.parameters.at(0);
  const auto& content = call.request.body;
  const auto now = call.hub.clock.now();
  auto committed = co_await commit(call, [&](store::Transaction& tx) {
    fleet::put_blob(tx, hash, content, now);
    return Deed{.answer = call.success(200, json::to_value(BlobView{hash, std::int64_t(content.size())})),
                .action = "blob.put",
                .resource_type = "blob",
                .resource_id = hash,
                .details = json::Object{{"size", content.size()}}};
  });
  co_return std::move(committed.answer);
}

Answer get(Call& call) {
  parse_query<NoQuery>(call);
  const auto hash = hash_of(call);
  std::optional<std::string> content;
  co_await read(call.hub, [&](store::Transaction& tx) { content = fleet::find_blob(tx, hash); });
  if (!content) throw base::not_found("blob", hash);
  co_return bytes(call.meta(), *std::move(content));
}

}  // namespace

void add_blob_routes(Router& router) {
  const std::string tag = "Templates";
  router.add(
      net::Method::put, "/v1/blobs/:hash", Permission::admin, put,
      {.id = "putBlob",
       .tag = tag,
       .summary = "Uploads the archive of a template",
       .description = "Under the SHA-256 of its bytes. What no version of a template uses is removed after a day.",
       .body = body_of_bytes(),
       .answer = one<BlobView>(),
       .body_limit = fleet::kBlobMax});
  router.add(net::Method::get, "/v1/blobs/:hash", Permission::admin_or_daemon, get,
             {.id = "getBlob",
              .tag = tag,
              .summary = "An archive as it was uploaded",
              .answer = answer_of(AnswerShape::bytes)});
}

}  // namespace slipway::api
