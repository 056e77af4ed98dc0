// Terraform's `http` backend: Terraform itself keeps the state of a job here while it applies, so that whoever kills it
// or its daemon loses nothing that it has made (RUN-12). What it says and expects:
// https://developer.hashicorp.com/terraform/language/backend/http
//
// User `job`, the job's state token as password. Locks by the methods LOCK and UNLOCK, or by POST and DELETE on …/lock.

#include "api/query.h"
#include "api/routes.h"
#include "base/digest.h"
#include "fleet/job_queue.h"
#include "fleet/state_access.h"
#include "fleet/state_token.h"
#include "net/event_loop.h"

namespace slipway::api {
namespace {

using Answer = net::Awaitable<std::optional<net::Response>>;

constexpr std::size_t kLockInfoMax = 16 * 1024;  // bytes; Terraform's has some hundred
constexpr int kLocked = 423;

base::Error unauthorized() {
  return base::Error(base::ErrorClass::user, "UNAUTHORIZED",
                     "user `job` and the state token of this job are needed, as HTTP Basic authentication");
}

base::JobId job_of(const Call& call) { return base::JobId(call.parameters.at(0)); }

// The fence of the token that was shown. Throws UNAUTHORIZED.
std::int64_t authenticate(const Hub& hub, const net::Request& request, const base::JobId& job) {
  constexpr std::string_view kScheme = "Basic ", kUser = "job:";
  const auto header = request.headers.get("Authorization");
  if (!header || !header->starts_with(kScheme)) throw unauthorized();
  const auto shown = base::from_base64(header->substr(kScheme.size()));
  if (!shown || !shown->starts_with(kUser)) throw unauthorized();
  const auto fence = fleet::state_token_fence(hub.sealer, job, std::string_view(*shown).substr(kUser.size()));
  if (!fence) throw unauthorized();
  return *fence;
}

std::int64_t authenticate(const Call& call) { return authenticate(call.hub, call.request, job_of(call)); }

// Terraform shows the body of an answer that it did not expect, so that this is for people.
net::Response plain(int status, std::string text) {
  net::Response response{.status = status, .headers = {}, .body = std::move(text)};
  response.headers.set("Content-Type", "text/plain; charset=utf-8");
  response.headers.set("Cache-Control", "no-store");
  return response;
}

net::Response held_by(const fleet::StateLock& lock) {
  net::Response response = plain(kLocked, lock.info);  // Terraform reads who has it from there
  response.headers.set("Content-Type", "application/json");
  return response;
}

// Why there is no lock, in the form in which Terraform shows it: as somebody else's lock, of which it prints the ID.
fleet::StateLock explained(const fleet::StateLock& wanted, const base::Error& error) {
  const json::Object info{{"ID", error.code() + ": " + error.message()}, {"Path", wanted.job_id.str()}};
  auto lock = wanted;
  lock.info = json::print_value(info);
  return lock;
}

// The lock's id from what Terraform sends; empty when it sends none.
std::string lock_id_in(const std::string& body) {
  if (body.empty()) return "";
  const auto value = json::parse_value(body);
  const auto* object = value.if_object();
  const auto* id = object != nullptr ? object->if_contains("ID") : nullptr;
  if (id == nullptr || !id->is_string()) throw base::validation_error("ID", "of the lock is needed");
  return std::string(id->get_string());
}

// Under a lock only its holder writes: Terraform says which it has by ?ID=.
std::optional<fleet::StateLock> somebody_elses(store::Transaction& tx, const fleet::StateAccess& access,
                                               const std::string& lock_id) {
  auto lock = fleet::find_lock(tx, access.place.workspace);
  if (!lock || (lock->job_id == access.job && lock->fence == access.fence && lock->lock_id == lock_id))
    return std::nullopt;
  return lock;
}

Answer get(Call& call) {
  const auto fence = authenticate(call);
  std::optional<std::string> content;
  co_await read(call.hub, [&](store::Transaction& tx) {
    const auto access = fleet::state_access_now(tx, job_of(call), fence);
    content = fleet::read_state(tx, call.hub.sealer, access.place);
  });
  if (!content || content->empty()) co_return net::Response{.status = 204, .headers = {}, .body = {}};
  co_return bytes(call.meta(), *std::move(content));
}

// A state of no bytes is one that was taken away.
Answer keep(Call& call, std::string_view content) {
  const auto fence = authenticate(call);
  const auto lock_id = call.request.query_value("ID").value_or("");
  const auto now = call.hub.clock.now();
  const auto state = co_await net::run_blocking(call.hub.io, call.hub.workers,
                                                [&] { return fleet::seal_state(call.hub.sealer, content); });
  std::optional<fleet::StateLock> lock;
  fleet::StateAccess access;
  co_await write(call.hub, [&](store::Transaction& tx) {
    access = fleet::last_state_access(tx, job_of(call), fence);
    lock = somebody_elses(tx, access, lock_id);
    if (lock) return;
    fleet::put_state(tx, access.place, access.job, state, now);
    fleet::extend_salvage(tx, access.job, now);
  });
  if (lock) co_return held_by(*lock);
  if (access.is_late)
    call.hub.log.warning("a state came after its job had been given up, and the next build begins with it",
                         {{"job", access.job.str()}, {"workspace", access.place.workspace.str()}});
  co_return plain(200, "");
}

Answer put(Call& call) { co_return co_await keep(call, call.request.body); }
Answer remove(Call& call) { co_return co_await keep(call, ""); }

Answer lock(Call& call) {
  const auto fence = authenticate(call);
  const fleet::StateLock wanted{.lock_id = lock_id_in(call.request.body),
                                .info = call.request.body,
                                .job_id = job_of(call),
                                .fence = fence,
                                .locked_at = call.hub.clock.now()};
  if (wanted.lock_id.empty()) throw base::validation_error("ID", "of the lock is needed");
  std::optional<fleet::StateLock> holder;
  try {
    co_await write(call.hub, [&](store::Transaction& tx) {
      const auto access = fleet::state_access(tx, wanted.job_id, fence);
      if (!access.may_lock) {  // but who has it says that it lives
        if (somebody_elses(tx, access, wanted.lock_id) || !fleet::find_lock(tx, access.place.workspace))
          throw fleet::state_lease_lost(wanted.job_id);
        fleet::extend_salvage(tx, wanted.job_id, wanted.locked_at);
        return;
      }
      holder = fleet::lock_state(tx, access.place.workspace, wanted);
    });
  } catch (const base::Error& error) {
    if (error.code() != "JOB_LEASE_LOST") throw;
    holder = explained(wanted, error);
  }
  if (holder) co_return held_by(*holder);
  co_return plain(200, "");
}

Answer unlock(Call& call) {
  const auto fence = authenticate(call);
  const auto lock_id = lock_id_in(call.request.body);
  std::optional<fleet::StateLock> holder;
  co_await write(call.hub, [&](store::Transaction& tx) {
    holder.reset();
    const auto access = fleet::state_access(tx, job_of(call), fence);
    if (!fleet::unlock_state(tx, access.place.workspace, lock_id))
      holder = fleet::find_lock(tx, access.place.workspace);
  });
  if (holder) co_return held_by(*holder);
  co_return plain(200, "");
}

}  // namespace

void add_terraform_state_routes(Router& router) {
  const std::string base = "/v1/terraform/jobs/:id/state";
  // Terraform speaks them, and people read Terraform's own documentation of them.
  const Operation operation{.id = "", .tag = "", .summary = "", .body_limit = kLockInfoMax, .hidden = true};
  auto of_state = operation;
  of_state.body_limit = fleet::kStateMax;
  const KnowsSender knows_sender = [](const Hub& hub, const net::Request& request, const auto& parameters) {
    authenticate(hub, request, base::JobId(parameters.at(0)));
  };
  router.add(net::Method::get, base, Permission::open, get, operation);
  router.add(net::Method::post, base, Permission::open, put, of_state, knows_sender);
  router.add(net::Method::put, base, Permission::open, put, of_state, knows_sender);
  router.add(net::Method::del, base, Permission::open, remove, operation);
  for (const auto& path : {base, base + "/lock"}) {
    router.add(net::Method::lock, path, Permission::open, lock, operation);
    router.add(net::Method::unlock, path, Permission::open, unlock, operation);
  }
  router.add(net::Method::post, base + "/lock", Permission::open, lock, operation);
  router.add(net::Method::put, base + "/lock", Permission::open, lock, operation);
  router.add(net::Method::del, base + "/lock", Permission::open, unlock, operation);
}

}  // namespace slipway::api
