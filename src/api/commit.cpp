#include "api/commit.h"

#include "api/keys_in_progress.h"
#include "fleet/idempotency.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

// The header is a structured-field string (quoted) by the draft; most clients send it bare. Both are the same key.
std::optional<std::string> read_key(const Call& call) {
  const auto header = call.request.headers.get("Idempotency-Key");
  if (!header) return std::nullopt;
  std::string_view key = *header;
  if (key.size() >= 2 && key.front() == '"' && key.back() == '"') key = key.substr(1, key.size() - 2);
  if (key.empty() || key.size() > fleet::kIdempotencyKeyMax)
    throw base::validation_error("Idempotency-Key",
                                 "must have 1 to " + std::to_string(fleet::kIdempotencyKeyMax) + " characters");
  return std::string(key);
}

constexpr std::size_t kOnTheLoopMax = 64 << 10;  // bytes: a fraction of a millisecond; what is larger goes to a worker

// Keyed: the body may hold secrets that could be guessed from a plain hash.
net::Awaitable<std::string> hash_of(const Call& call) {
  const auto& request = call.request;
  const auto hash = [&] {
    return call.hub.sealer
        .derive("request/" + std::string(net::to_string(request.method)) + " " + request.target + "\n" + request.body)
        .reveal();
  };
  if (request.body.size() <= kOnTheLoopMax) co_return hash();
  co_return co_await net::run_blocking(call.hub.io, call.hub.workers, hash);
}

// The body is sealed: that of a new API key holds the key.
fleet::StoredAnswer to_stored(const fleet::Sealer& sealer, const std::string& hash, const net::Response& answer) {
  json::Object headers;
  for (const auto& [name, value] : answer.headers)
    if (name != "X-Request-Id") headers.emplace(name, value);
  return {hash, answer.status, json::print_value(headers), sealer.seal(base::Secret(answer.body))};
}

net::Response replay(const Call& call, const std::string& hash, const fleet::StoredAnswer& stored) {
  if (stored.request_hash != hash)
    throw base::Error(base::ErrorClass::user, "IDEMPOTENCY_KEY_REUSED",
                      "this Idempotency-Key was used for another request; use a new one");
  net::Response answer{
      .status = int(stored.status), .headers = {}, .body = call.hub.sealer.unseal(stored.body).reveal()};
  const auto headers = json::parse_value(stored.headers);
  for (const auto& [name, value] : headers.as_object()) answer.headers.set(name, value.as_string());
  answer.headers.set("X-Request-Id", call.request_id);
  answer.headers.set("Idempotent-Replayed", "true");
  return answer;
}

}  // namespace

net::Awaitable<Committed> commit(Call& call, std::move_only_function<Deed(store::Transaction&)> deed) {
  const auto key = read_key(call);
  const std::string caller = call.caller->user.str();
  const std::string hash = key ? co_await hash_of(call) : "";
  const base::Instant now = call.hub.clock.now();

  std::optional<KeysInProgress::Claim> claim;
  if (key) {
    claim = call.hub.keys_in_progress.claim(caller, *key);
    if (!claim)
      throw base::Error(base::ErrorClass::conflict, "IDEMPOTENCY_KEY_IN_PROGRESS",
                        "a request with this Idempotency-Key is still at work; ask again in a moment");
  }
  std::optional<fleet::StoredAnswer> earlier;
  Deed done;
  co_await write(call.hub, [&](store::Transaction& tx) {
    earlier.reset();
    if (key) earlier = fleet::find_answer(tx, caller, *key, now);
    if (earlier) return;
    done = deed(tx);
    fleet::audit(tx, {.at = now,
                      .actor_id = caller,
                      .action = done.action,
                      .resource_type = done.resource_type,
                      .resource_id = done.resource_id,
                      .request_id = call.request_id,
                      .remote = call.request.peer,
                      .details = done.details});
    if (key) fleet::store_answer(tx, caller, *key, to_stored(call.hub.sealer, hash, done.answer), now);
  });
  if (earlier) co_return Committed{replay(call, hash, *earlier), true};
  co_return Committed{std::move(done.answer), false};
}

net::Awaitable<std::optional<net::Response>> look_unless_answered(Call& call,
                                                                  std::function<void(store::Transaction&)> look) {
  const auto key = read_key(call);
  const std::string caller = call.caller->user.str();
  std::optional<fleet::StoredAnswer> earlier;
  co_await read(call.hub, [&](store::Transaction& tx) {
    earlier.reset();
    if (key) earlier = fleet::find_answer(tx, caller, *key, call.hub.clock.now());
    if (!earlier) look(tx);
  });
  if (!earlier) co_return std::nullopt;
  co_return replay(call, co_await hash_of(call), *earlier);
}

}  // namespace slipway::api
