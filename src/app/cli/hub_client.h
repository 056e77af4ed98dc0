#pragma once
// The API of one hub, as values: envelopes opened, errors thrown, lists read to their end, changes retried.
//
// One thread. A call that changes something carries an Idempotency-Key, so that it can be sent again when its answer
// was lost without happening twice (docs/api.md).

#include <functional>
#include <string>
#include <string_view>

#include "app/cli/hub_address.h"
#include "app/cli/transport.h"
#include "base/json.h"
#include "base/random.h"
#include "base/time.h"
#include "net/sse.h"

namespace slipway::app::cli {

// How long a call that may be repeated is tried again after: no answer, 503, 429, or a first one still at work. Long
// enough for a hub to restart, short enough for a person to wait.
inline constexpr base::Duration kPatience = std::chrono::seconds(30);

enum class Patience { none, retry };

struct HubClientParts {
  Transport& transport;
  const base::Clock& clock;
  base::Random& random;
  std::function<void(base::Duration)> sleep;
  std::function<void(std::string_view)> notice;  // told once for each call that has to wait
};

class HubClient {
 public:
  HubClient(HubAddress address, HubClientParts parts) : address_(std::move(address)), parts_(std::move(parts)) {}

  const HubAddress& address() const { return address_; }

  // The answer's `data`. Errors of the API are thrown with their code, message and details.
  json::Value get(const std::string& target, Patience patience = Patience::none);
  // All pages of a list, or the first `limit` elements.
  json::Array list(const std::string& target, std::size_t limit = kEverything);
  // Retried. An empty `idempotency_key` is made here.
  json::Value post(const std::string& target, const json::Value& body, std::string idempotency_key = {});
  json::Value put(const std::string& target, const json::Value& body);
  json::Value upload(const std::string& target, std::string bytes);  // a PUT of any bytes
  json::Value patch(const std::string& target, const json::Value& body);
  json::Value remove(const std::string& target);

  // Server-sent events from `target`, after the event `last_id` (may be empty), until the hub or a callback (false)
  // ends the stream. `on_event` gets several at once when several came at once.
  struct Events {
    std::function<bool(const std::vector<net::ServerSentEvent>&)> on_events;
    std::function<bool()> on_idle;
  };
  void stream(const std::string& target, const std::string& last_id, const Events& events);

  // A body of any length, piece by piece, until `on_bytes` has enough (false).
  void download(const std::string& target, const std::function<bool(std::string_view)>& on_bytes);

  // The caller's workspace of that name or id, as the API answers it. Throws NOT_FOUND.
  json::Value find_workspace(const std::string& name_or_id, Patience patience = Patience::none);
  // Only its id; what looks like an id is taken as one without asking.
  std::string resolve_workspace(const std::string& name_or_id, Patience patience = Patience::none);

  // Waits a little longer each time, with jitter; false (without waiting) when the patience is at its end.
  bool wait_before_retry(base::Instant began, int attempt, base::Duration at_least = {});

  static constexpr std::size_t kEverything = std::size_t(-1);

 private:
  json::Value change(Call call, std::string idempotency_key);
  Answer send(Call call, Patience patience);
  void authorize(Call& call) const;

  HubAddress address_;
  HubClientParts parts_;
};

// The `data` of an envelope; throws what an error answer says. Anything else than an envelope is an error by its
// status.
json::Value open_envelope(const Answer& answer);

}  // namespace slipway::app::cli
