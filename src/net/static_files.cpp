#include "net/static_files.h"

namespace slipway::net {

namespace {
constexpr std::string_view kForever = "public, max-age=31536000, immutable";
}

StaticFiles::StaticFiles(std::span<const StaticFile> files, StaticOptions options) : options_(std::move(options)) {
  for (const StaticFile& file : files) files_.emplace(file.name, &file);
}

const StaticFile* StaticFiles::find(const Request& request) const {
  std::string_view name = request.path;
  if (!name.starts_with(options_.mount)) return nullptr;
  name.remove_prefix(options_.mount.size());
  if (name.empty()) name = options_.index;
  if (const auto found = files_.find(name); found != files_.end()) return found->second;
  if (const auto page = files_.find(std::string(name) + ".html"); page != files_.end()) return page->second;
  const bool is_page = !name.substr(name.rfind('/') + 1).contains('.');
  if (!options_.index_for_unknown_pages || !is_page) return nullptr;
  const auto index = files_.find(options_.index);
  return index == files_.end() ? nullptr : index->second;
}

std::optional<Response> StaticFiles::answer(const Request& request) const {
  if (request.method != Method::get && request.method != Method::head) return std::nullopt;
  const StaticFile* file = find(request);
  if (!file) return std::nullopt;
  Response response{200, options_.headers, {}};
  response.headers.set("ETag", file->etag);
  const bool forever = !options_.immutable_below.empty() && file->name.starts_with(options_.immutable_below);
  response.headers.set("Cache-Control", forever ? kForever : std::string_view(options_.cache_control));
  if (const auto known = request.headers.get("If-None-Match"); known && matches_etag(*known, file->etag)) {
    response.status = 304;
    return response;
  }
  response.headers.set("Content-Type", file->content_type);
  response.headers.set("X-Content-Type-Options", "nosniff");
  response.body = file->bytes;
  return response;
}

bool matches_etag(std::string_view if_none_match, std::string_view etag) {
  const auto opaque = [](std::string_view tag) { return tag.starts_with("W/") ? tag.substr(2) : tag; };
  std::string_view rest = if_none_match;
  while (!rest.empty()) {
    const auto start = rest.find_first_not_of(" \t,");
    if (start == std::string_view::npos) return false;
    rest.remove_prefix(start);
    if (rest.starts_with('*')) return true;
    const auto open = rest.find('"');
    const auto close = open == std::string_view::npos ? open : rest.find('"', open + 1);
    if (close == std::string_view::npos) return false;
    if (opaque(rest.substr(0, close + 1)) == opaque(etag)) return true;
    rest.remove_prefix(close + 1);
  }
  return false;
}

}  // namespace slipway::net
