#pragma once
// One attempt of a step, as its function sees it.

#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>

#include "base/json.h"
#include "base/time.h"
#include "base/trace_context.h"

namespace slipway::durable {

// The last sign of life of an attempt under way: written by its thread, looked at by the execution.
class Pulse {
 public:
  struct Beat {
    base::Instant at;  // of Clock::monotonic
    json::Value detail;
  };
  explicit Pulse(const base::Clock& clock) : clock_(clock), last_{clock.monotonic(), nullptr} {}

  void beat(json::Value detail) {
    const std::lock_guard lock(mutex_);
    last_ = {clock_.monotonic(), std::move(detail)};
    fresh_ = true;
  }
  base::Instant last_at() const {
    const std::lock_guard lock(mutex_);
    return last_.at;
  }
  // The last beat, if there was one since this was asked before.
  std::optional<Beat> take() {
    const std::lock_guard lock(mutex_);
    if (!std::exchange(fresh_, false)) return std::nullopt;
    return last_;
  }

 private:
  const base::Clock& clock_;
  mutable std::mutex mutex_;
  Beat last_;
  bool fresh_ = false;
};

// What a step's function may want to know of its attempt. Its members may be called from any thread.
class Attempt {
 public:
  Attempt(std::string idempotency_key, std::int64_t number, std::stop_token stop, std::shared_ptr<Pulse> pulse,
          json::Value last_heartbeat, std::string run_trace = {})
      : idempotency_key_(std::move(idempotency_key)),
        number_(number),
        stop_(std::move(stop)),
        pulse_(std::move(pulse)),
        last_heartbeat_(std::move(last_heartbeat)),
        run_trace_(std::move(run_trace)) {}

  // The same for every attempt of this step of this run, whatever crashed in between.
  const std::string& idempotency_key() const { return idempotency_key_; }
  std::int64_t number() const { return number_; }  // from 1
  // For what the attempt calls: of the trace of whoever asked for the run, with a span of this attempt (WF-49). A run
  // that nobody's request asked for begins a trace.
  base::TraceContext trace() const {
    const auto run = base::trace_from_text(run_trace_);
    const auto seed = idempotency_key_ + "#" + std::to_string(number_);
    return (run ? *run : base::trace_of(idempotency_key_.substr(0, idempotency_key_.find('/')))).caused(seed);
  }
  // Fires when the run is stopped, the attempt's time is over or the hub shuts down: give up soon, by throwing or by
  // returning what is there.
  std::stop_token stop() const { return stop_; }

  // Says that the attempt is alive and how far it has come. Cheap: may be called as often as one likes. The detail is
  // recorded every few seconds and when the attempt fails, so that the next one, also after a crash, can go on from
  // there; the last seconds before a crash may be missing from it.
  template <class T>
  void heartbeat(const T& detail) {
    pulse_->beat(json::to_value(detail, json::Secrets::marked));
  }
  void heartbeat() { pulse_->beat(last_heartbeat_); }
  // The detail that was recorded last, by an earlier attempt.
  template <class T>
  std::optional<T> last_heartbeat() const {
    if (last_heartbeat_.is_null()) return std::nullopt;
    return json::from_value<T>(last_heartbeat_, json::Mode::lenient);
  }

 private:
  std::string idempotency_key_;
  std::int64_t number_;
  std::stop_token stop_;
  std::shared_ptr<Pulse> pulse_;
  json::Value last_heartbeat_;
  std::string run_trace_;
};

}  // namespace slipway::durable
