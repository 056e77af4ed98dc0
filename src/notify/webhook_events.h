#pragma once
// What webhooks can hear of, and which endpoint wants to hear of what. Plain functions over the feed of changes.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "fleet/change_feed.h"
#include "fleet/webhook.h"

namespace slipway::notify {

// One entry of the feed, with what filters ask for.
struct Occurrence {
  std::int64_t place = 0;
  std::string owner_id;
  std::string type;  // run.failed
  base::Instant at;
  json::Value data;
  std::string subject;        // the id of what it is about: a run, a workspace
  std::string resource_type;  // of a run or an alert, what that is about
  std::string resource_id;
  std::optional<std::string> run_type;

  // Whose line a delivery of it stands in: a workspace and the runs that work on it share one.
  std::string line() const { return resource_type + "/" + resource_id; }
};

Occurrence occurrence_of(const fleet::OwnedChange& change);

// `pattern` is a type, a family such as run.*, or * for everything but steps, which are many and must be asked for.
bool matches_type(std::string_view pattern, std::string_view type);
bool wants(const fleet::Webhook& webhook, const Occurrence& occurrence);
bool wants_steps(const fleet::WebhookDefinition& definition);

// Every type there is.
const std::vector<std::string_view>& event_types();
// 1 to kEventTypesMax patterns, each of which can match something. Throws VALIDATION_ERROR naming `field`.
void validate_event_types(std::string_view field, const std::vector<std::string>& patterns);
inline constexpr std::size_t kEventTypesMax = 30;

}  // namespace slipway::notify
