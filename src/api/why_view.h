#pragma once
// The answer to 'why': what is so, because of what, and what happens next.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace slipway::api {

struct WhyNext {
  std::string what;
  std::optional<base::Instant> at;
};
SLIPWAY_JSON_SNAKE(WhyNext, what, at)

struct Why {
  std::string id;
  std::string kind;
  std::string state;
  std::vector<std::string> because;
  std::vector<WhyNext> next;
};
SLIPWAY_JSON_SNAKE(Why, id, kind, state, because, next)
inline const json::Rules& json_rules(const Why*) {
  static const json::Rules rules{
      {.member = "kind", .description = "workspace, workstation, run, job, webhook, webhook delivery or alert"},
      {.member = "because", .description = "Reasons, in words"},
      {.member = "next", .description = "What happens next, and when, where that is known"}};
  return rules;
}

}  // namespace slipway::api
