#include "runner/testing/simulated_link.h"

#include <algorithm>
#include <fstream>

#include "runner/insistent_call.h"

namespace slipway::runner::testing {

using base::Duration;
using base::Error;
using base::ErrorClass;
using std::chrono::milliseconds;

template <class T>
struct SimulatedLink::Call {
  Reply<T> reply;
  std::function<std::optional<T>()> handle;
  bool only_while_waited = false;  // what arrives after its caller has given up has no effect
};

// `handle` is asked again until it gives an answer or `wait` is over, when it is asked for the last time with nothing.
template <class T>
void SimulatedLink::call(Duration bound, Reply<T> reply, std::function<std::optional<T>()> handle, Duration wait,
                         bool only_while_waited) {
  ++hub_.calls;
  auto call = std::make_shared<Call<T>>(Call<T>{std::move(reply), std::move(handle), only_while_waited});
  const std::weak_ptr alive = alive_;
  process_.post_at(process_.now() + bound + wait, [call] {
    if (auto waiting = std::exchange(call->reply, nullptr))
      waiting(std::unexpected(Error(ErrorClass::transient, "TIMEOUT", "simulated")));
  });
  const auto arrival = world_.now() + hub_.travel();
  for (int copies = world_.chance(hub_.faults.doubled) ? 2 : 1; copies > 0; --copies) {
    if (world_.chance(hub_.faults.request_lost)) continue;
    world_.at(arrival + milliseconds(copies - 1), [this, alive, call, wait, arrival] {
      if (alive.lock()) arrive(call, arrival + wait);
    });
  }
}

template <class T>
void SimulatedLink::arrive(std::shared_ptr<Call<T>> call, base::Instant until) {
  if (call->only_while_waited && !call->reply) return;
  std::optional<std::expected<T, Error>> answer;
  const std::weak_ptr alive = alive_;
  if (refused_) {
    answer = std::unexpected(Error(ErrorClass::user, "UNAUTHORIZED", "simulated"));
  } else if (surroundings_.cut || hub_.is_down()) {
    answer = std::unexpected(Error(ErrorClass::transient, "CONNECTION_FAILED", "simulated"));
  } else {
    try {
      if (auto result = call->handle()) {
        answer.emplace(std::move(*result));
      } else if (world_.now() >= until) {
        answer.emplace(T{});
      }
    } catch (const Error& error) {
      answer = std::unexpected(error);
    }
  }
  if (!answer) {
    if (!call->reply) return;
    return world_.at(world_.now() + milliseconds(100), [this, alive, call, until] {
      if (alive.lock()) arrive(call, until);
    });
  }
  if (world_.chance(hub_.faults.answer_lost)) {
    if (world_.chance(0.5)) return;
    answer = std::unexpected(Error(ErrorClass::transient, "CONNECTION_CLOSED", "simulated"));
  }
  auto held = std::make_shared<std::expected<T, Error>>(std::move(*answer));
  process_.post_at(process_.now() + hub_.travel(), [call, held] {
    if (auto waiting = std::exchange(call->reply, nullptr)) waiting(std::move(*held));
  });
}

namespace {

constexpr Duration kBound{30'000};

Reply<bool> as_done(Reply<void> reply) {
  return [reply = std::move(reply)](std::expected<bool, Error> answer) mutable {
    if (answer)
      reply({});
    else
      reply(std::unexpected(std::move(answer.error())));
  };
}

std::string content_of(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

void SimulatedLink::register_daemon(fleet::RegisterDaemon daemon, Reply<fleet::DaemonRegistered> reply) {
  if (hub_.knows(told_id_)) hub_.violation(daemon.name + ": registers again although the hub knows it");
  auto told = [this, reply = std::move(reply)](std::expected<fleet::DaemonRegistered, Error> answer) mutable {
    if (answer) told_id_ = answer->daemon_id;
    reply(std::move(answer));
  };
  call<fleet::DaemonRegistered>(kBound, std::move(told),
                                [this, daemon] { return hub_.register_daemon(daemon, machine_); });
}

void SimulatedLink::acquire(fleet::AcquireJob request, Reply<fleet::JobAcquired> reply) {
  const auto wait = request.wait_ms;
  call<fleet::JobAcquired>(
      kBound, std::move(reply),
      [this, request]() -> std::optional<fleet::JobAcquired> {
        auto job = hub_.acquire(request);
        if (!job) return std::nullopt;
        return fleet::JobAcquired{std::move(job)};
      },
      wait);
}

void SimulatedLink::wait_for_cancels(fleet::WaitForCancels request, Reply<fleet::CancelledJobs> reply) {
  const auto wait = request.wait_ms;
  call<fleet::CancelledJobs>(
      kBound, std::move(reply),
      [this, request]() -> std::optional<fleet::CancelledJobs> {
        auto jobs = hub_.cancelled_of(request.daemon_id);
        const bool news = std::ranges::any_of(
            jobs, [&](const auto& id) { return std::ranges::find(request.known, id) == request.known.end(); });
        if (!news) return std::nullopt;
        return fleet::CancelledJobs{std::move(jobs)};
      },
      wait);
}

void SimulatedLink::say_goodbye(std::string daemon_id, Reply<void> reply) {
  call<bool>(kBound, as_done(std::move(reply)), [this, daemon_id] {
    hub_.goodbye(daemon_id);
    return true;
  });
}

void SimulatedLink::update(std::string job, fleet::JobUpdate update, Duration bound, Reply<fleet::JobUpdated> reply) {
  hub_.note_sent(job, update.fence, false);
  auto told = [this, job, fence = update.fence,
               reply = std::move(reply)](std::expected<fleet::JobUpdated, Error> answer) mutable {
    const bool lost = !answer && job_is_lost(answer.error());
    reply(std::move(answer));
    if (lost) hub_.note_lost_told(job, fence);
  };
  call<fleet::JobUpdated>(bound, std::move(told), [this, job, update] { return hub_.update(job, update); });
}

void SimulatedLink::commit_quota(std::string job, fleet::CommitQuota request, Reply<fleet::QuotaCommitted> reply) {
  call<fleet::QuotaCommitted>(kBound, std::move(reply),
                              [this, job, request] { return hub_.commit_quota(job, request); });
}

void SimulatedLink::complete(std::string job, fleet::CompletedJob outcome, Reply<fleet::JobEnded> reply) {
  hub_.note_sent(job, outcome.fence, true);
  call<fleet::JobEnded>(kBound, std::move(reply), [this, job, outcome] { return hub_.complete(job, outcome); });
}

void SimulatedLink::fail(std::string job, fleet::FailedJob outcome, Reply<fleet::JobEnded> reply) {
  hub_.note_sent(job, outcome.fence, true);
  call<fleet::JobEnded>(kBound, std::move(reply), [this, job, outcome] { return hub_.fail(job, outcome); });
}

void SimulatedLink::get_blob(std::string, std::string file, Reply<void> reply) {
  call<bool>(kBound, as_done(std::move(reply)), [file] {
    std::ofstream(file) << "archive";
    return true;
  });
}

void SimulatedLink::get_state(std::string job, std::int64_t fence, std::string file, Reply<void> reply) {
  call<bool>(kBound, as_done(std::move(reply)), [this, job, fence, file] {
    std::ofstream(file, std::ios::binary) << hub_.get_state(job, fence);
    return true;
  });
}

void SimulatedLink::put_state(std::string job, std::int64_t fence, std::string file, Reply<std::string> reply) {
  call<std::string>(
      kBound, std::move(reply),
      [this, job, fence, state = content_of(file)] { return hub_.put_state(job, fence, state); }, {}, true);
}

}  // namespace slipway::runner::testing
