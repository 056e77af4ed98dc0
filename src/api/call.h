#pragma once
// One request on its way through the API, and what handlers work with.

#include <optional>
#include <string>
#include <vector>

#include "agent/hub.h"
#include "api/answers.h"
#include "api/key_cache.h"
#include "api/keys_in_progress.h"
#include "base/executor.h"
#include "base/id.h"
#include "base/trace_context.h"
#include "durable/engine.h"
#include "durable/scheduler.h"
#include "fleet/daemon.h"
#include "fleet/identity.h"
#include "fleet/job_queue.h"
#include "fleet/scope.h"
#include "net/asio.h"
#include "net/server.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "store/store.h"
#include "workflows/services.h"

namespace slipway::notify {
class WebhookDeliverer;
}
namespace slipway::observe {
class SpanExporter;
}
namespace slipway::workflows {
class WorkstationIntake;
struct WorkstationServices;
}  // namespace slipway::workflows

namespace slipway::api {

class ChangeStream;
class Doorbell;
class JobBells;
struct PubsubPush;

// Everything that handlers use; wired by app, lives longer than the server. For the loop's thread.
struct Hub {
  net::IoContext& io;
  store::Database& database;
  durable::Engine& engine;
  durable::Scheduler& scheduler;
  workflows::Services& workflows;
  agent::AgentHub& agents;
  base::Workers& workers;
  const base::Clock& clock;
  base::IdGenerator& ids;
  const fleet::Sealer& sealer;
  ChangeStream& changes;
  Doorbell& run_bell;
  JobBells& job_bells;
  notify::WebhookDeliverer& webhooks;
  const workflows::WorkstationServices* workstations = nullptr;  // of a hub that works with the cloud
  KeysInProgress keys_in_progress;
  KeyCache<fleet::ApiKey> key_cache;
  KeyCache<fleet::DaemonKey> daemon_key_cache;
  observe::Registry& metrics;
  const observe::Logger& log;
  workflows::WorkstationIntake* intake = nullptr;  // without a cloud: none
  PubsubPush* push = nullptr;                      // unless it is configured
  observe::SpanExporter* spans = nullptr;          // unless somebody collects them
  fleet::QueueLimits queue_limits = {};            // of provisioner jobs
  bool open_metrics = false;                       // /metrics without a key
  bool draining = false;                           // nobody waits for anything any more
  std::string agent_program = {};                  // a file: what machines run to call the hub
  std::string version;
};

// Who asks. Found by authentication; absent for open routes.
struct Caller {
  base::UserId user;
  std::string name;
  fleet::Role role = fleet::Role::member;
  std::string key_id;

  bool is_admin() const { return role == fleet::Role::admin; }
  // For one thing named by id: an admin may reach everyone's (HUB-18).
  fleet::Scope scope() const {
    return is_admin() ? fleet::Scope::everything("the caller is an admin") : fleet::Scope::owner(user);
  }
};

struct Call {
  Hub& hub;
  net::Exchange& exchange;
  const net::Request& request;
  std::string request_id;
  std::optional<base::TraceContext> trace;  // what the request belongs to, if it says so
  std::string route;                        // the pattern, for metrics and logs
  std::vector<std::string> parameters;      // what stood at each ':name' of the pattern
  std::optional<Caller> caller;
  std::optional<fleet::DaemonKey> daemon;  // whose key it is, where a provisioner daemon calls

  // The trace of what this request causes: StartRequest::trace (WF-49).
  std::string trace_text() const { return (trace ? trace->caused(request_id) : base::trace_of(request_id)).text(); }
  Meta meta() const { return {request_id, hub.clock.now()}; }
  net::Response success(int status, const json::Value& data) const { return api::success(meta(), status, data); }
};

// ---- reading what was sent

// The body as a value; an absent body reads as {}. Throws VALIDATION_ERROR, also for text with a zero byte, which not
// every store can keep. It is JSON whatever its Content-Type says: `curl -d` calls everything a form.
json::Value body_value(const Call& call);
// The same as a described struct.
template <class T>
T parse_body(const Call& call) {
  return json::from_value<T>(body_value(call));
}
// For changes that take none.
struct NoBody {};
SLIPWAY_JSON_CAMEL(NoBody)

// Which page of a list is asked for: paging_of (query.h).
struct Paging {
  std::int64_t limit = 50;
  std::int64_t page = 1;
  std::string cursor;
  std::int64_t offset() const { return cursor.empty() ? (page - 1) * limit : 0; }
};
inline constexpr std::int64_t kPageMax = 200;

// ---- the store, from coroutines

// Run the work and come back to the loop when it is durable (or read); rethrow its failure. The work may refer to the
// coroutine's variables: the wait lasts until it is done.
net::Awaitable<void> write(Hub& hub, store::Work work);
net::Awaitable<void> read(Hub& hub, store::Work work);

}  // namespace slipway::api
