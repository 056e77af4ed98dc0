#pragma once
// Files compiled into the binary, served with validators and security headers.

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "net/http.h"

namespace slipway::net {

struct StaticFile {
  std::string_view name;  // "assets/index-3f2a.js": the path below the mount point, without a leading slash
  std::string_view content_type;
  std::string_view bytes;
  std::string_view etag;  // with its quotes
};

struct StaticOptions {
  std::string mount = "/";                 // with both slashes
  std::string index = "index.html";        // for the mount point itself; empty: none
  bool index_for_unknown_pages = false;    // unknown paths without a dot get the index: client-side routes
  std::string immutable_below;             // names with this prefix carry a hash and never change: "assets/"
  std::string cache_control = "no-cache";  // for all others: ask each time, answer 304
  Headers headers;                         // on every answer: Content-Security-Policy …
};

// The table and its texts must outlive this. Thread-safe.
class StaticFiles {
 public:
  StaticFiles(std::span<const StaticFile> files, StaticOptions options);
  // A page NAME.html is also found as NAME. Empty when the path is not ours or the method is neither GET nor HEAD.
  std::optional<Response> answer(const Request& request) const;

 private:
  const StaticFile* find(const Request& request) const;

  std::map<std::string_view, const StaticFile*> files_;
  StaticOptions options_;
};

// Does If-None-Match name this etag? Weak comparison, RFC 9110 section 13.1.2.
bool matches_etag(std::string_view if_none_match, std::string_view etag);

}  // namespace slipway::net
