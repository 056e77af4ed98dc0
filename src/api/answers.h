#pragma once
// How answers look: the envelope (WF-7), errors with their HTTP status, lists with their pagination.

#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/time.h"
#include "net/http.h"

namespace slipway::api {

// What every answer's meta says.
struct Meta {
  std::string request_id;
  base::Instant timestamp;
};

struct Page {
  std::int64_t total = 0;
  std::optional<bool> total_is_estimate;  // left out when it is exact
  std::int64_t page = 1;
  std::int64_t page_size = 0;
  bool has_more = false;
  std::optional<std::string> next_cursor;
};
SLIPWAY_JSON_CAMEL(Page, total, total_is_estimate, page, page_size, has_more, next_cursor)

net::Response success(const Meta& meta, int status, const json::Value& data);
net::Response bytes(const Meta& meta, std::string content);
net::Response list(const Meta& meta, json::Array items, const Page& page);
// In the envelope, or as RFC 9457 problem details where `accept` asks for them.
net::Response failure(const Meta& meta, const base::Error& error, std::string_view accept);

int http_status(const base::Error& error);

}  // namespace slipway::api
