#pragma once
// Faults on demand: rules that pick calls, and what befalls the calls that they pick.
//
// A rule looks at each call that fits `service`, `call`, `method` and `path`; `skip`, `nth`, `probability` and `times`
// say which of those it strikes. The first rule that strikes decides.

#include <optional>
#include <string>
#include <vector>

#include "base/random.h"
#include "base/time.h"
#include "simulator/status.h"
#include "simulator/workstations.h"

namespace slipway::simulator {

enum class FaultKind {
  quota,                 // before the effect: 403 PERMISSION_DENIED with a quota's ErrorInfo
  permission,            // 403 that names `permission`
  already_exists,        // 409 ALREADY_EXISTS although nothing does
  aborted,               // 409 ABORTED
  throttled,             // 429 RESOURCE_EXHAUSTED, with Retry-After `retry_after_s` if that is given
  server_error,          // `status` (500, 502, 503, 504), as JSON or, with body "html", as a proxy's page
  error,                 // the canonical `code` with `message`
  unauthenticated,       // 401
  reset,                 // the connection breaks before the effect
  hang,                  // nothing for `delay_s`, then the connection breaks; no effect
  slow,                  // the answer comes `delay_s` late
  lost_answer,           // the effect happens, then the connection breaks
  hang_after,            // the effect happens, then nothing for `delay_s`, then the connection breaks
  truncated_body,        // half of the answer's body, with the length of the whole
  cut_json,              // half of the answer's body, as if that were all
  slow_body,             // the body in pieces over `delay_s`
  wrong_content_type,    // a good body that says it is text/html
  operation_fails,       // the operation that the call begins ends with `code`
  operation_never_ends,  // the operation that the call begins stays unfinished
  unknown_state,         // every state in the answer is one that no client has heard of
};
BOOST_DESCRIBE_ENUM(FaultKind, quota, permission, already_exists, aborted, throttled, server_error, error,
                    unauthenticated, reset, hang, slow, lost_answer, hang_after, truncated_body, cut_json, slow_body,
                    wrong_content_type, operation_fails, operation_never_ends, unknown_state)

struct FaultRule {
  FaultKind kind = FaultKind::server_error;
  // Which calls; empty: any.
  std::string service;  // workstations, compute, pubsub, oauth, sts, iamcredentials, metadata
  std::string call;     // workstations.create, operations.get, pubsub.publish, …: `simulator/README.md` lists them
  std::string method;   // GET
  std::string path;     // with '*' for anything
  // Which of those.
  std::int64_t skip = 0;             // leave so many alone at first
  std::vector<std::int64_t> nth;     // only these, counted from 1 after `skip`
  double probability = 1;            // of each
  std::optional<std::int64_t> seed;  // of this rule's dice; else the simulator's
  std::int64_t times = 0;            // strike at most so often; 0: no bound
  // How.
  int status = 503;
  std::string code;
  std::string message;
  std::string permission = "workstations.workstations.create";
  std::string body = "json";
  std::int64_t retry_after_s = 0;
  double delay_s = 60;
  // Counted here.
  std::int64_t seen = 0;
  std::int64_t struck = 0;
};
SLIPWAY_JSON_SNAKE(FaultRule, kind, service, call, method, path, skip, nth, probability, seed, times, status, code,
                   message, permission, body, retry_after_s, delay_s, seen, struck)

struct CallFacts {
  std::string_view service;
  std::string_view call;
  std::string_view method;
  std::string_view path;
};

class Faults {
 public:
  explicit Faults(std::uint64_t seed) : seed_(seed) {}

  // `rules`: one rule, a list of them, or {"rules": […]}. Throws INVALID_ARGUMENT.
  void add(const json::Value& rules);
  void clear() { rules_.clear(); }
  // The rule that strikes this call, counted; null: none.
  const FaultRule* decide(const CallFacts& facts);
  json::Value to_json() const;

 private:
  struct Entry {
    FaultRule rule;
    base::SeededRandom dice;
  };
  std::uint64_t seed_;
  std::vector<Entry> rules_;
};

// Throws what a rule of the refusing kinds answers with; nothing for the others.
void throw_refusal(const FaultRule& rule, std::string_view service, std::string_view project, std::string_view name);
// What a rule has in store for an operation.
OperationPlan plan_of(const FaultRule& rule);
// Whether the call has its effect but its caller does not hear of it.
bool loses_answer(FaultKind kind);

}  // namespace slipway::simulator
