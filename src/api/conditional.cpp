#include "api/conditional.h"

#include "net/static_files.h"

namespace slipway::api {

bool names_version(std::string_view if_match, std::int64_t version) {
  if (if_match == "*") return true;
  const std::string wanted = std::to_string(version) + "-";
  for (std::string_view rest = if_match; !rest.empty();) {
    const auto open = rest.find('"');
    const auto close = open == std::string_view::npos ? open : rest.find('"', open + 1);
    if (close == std::string_view::npos) return false;
    const bool is_weak = rest.substr(0, open).ends_with("W/");
    if (!is_weak && rest.substr(open + 1, close - open - 1).starts_with(wanted)) return true;
    rest.remove_prefix(close + 1);
  }
  return false;
}

void check_if_match(const Call& call, std::string_view what, std::int64_t version, std::string_view etag) {
  const auto wanted = call.request.headers.get("If-Match");
  if (!wanted || names_version(*wanted, version)) return;
  throw base::Error(base::ErrorClass::conflict, "PRECONDITION_FAILED",
                    "the " + std::string(what) + " has changed since; its ETag is now " + std::string(etag));
}

net::Response if_changed(const Call& call, std::string_view etag, net::Response full, std::string_view cache_control) {
  const auto known = call.request.headers.get("If-None-Match");
  if (known && net::matches_etag(*known, etag)) full = {.status = 304, .headers = {}, .body = {}};
  full.headers.set("X-Request-Id", call.request_id);
  full.headers.set("ETag", etag);
  full.headers.set("Cache-Control", cache_control);
  return full;
}

}  // namespace slipway::api
