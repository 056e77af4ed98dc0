#include "google/pubsub_puller.h"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "google/pubsub_leases.h"

namespace slipway::google {

using detail::Leases;
using detail::Moment;
using Steady = std::chrono::steady_clock;

namespace detail {

struct Counters {
  observe::Counter received, acked, nacked, extended, let_go, lost;
};

struct PullerState {
  PullerState(LeaseSettings settings, Counters made) : leases(settings), counters(made) {}

  std::mutex mutex;
  std::condition_variable_any changed;
  Leases leases;
  bool has_ended = false;     // `stop` was called: what comes now is too late
  bool has_answered = false;  // and everything was sent after it
  Counters counters;
};

}  // namespace detail

namespace {

// An answer that cannot be delivered is tried again so often: by then its lease is over, and it comes again anyhow.
constexpr int kAnswerTries = 5;

detail::Counters make_counters(observe::Registry& metrics) {
  return {
      .received = metrics.counter("slipway_pubsub_received_total", "Messages pulled, deliveries of the same included."),
      .acked = metrics.counter("slipway_pubsub_acked_total", "Messages acknowledged."),
      .nacked = metrics.counter("slipway_pubsub_nacked_total", "Messages given back, to come again."),
      .extended = metrics.counter("slipway_pubsub_extended_total", "Extensions of leases of messages."),
      .let_go = metrics.counter("slipway_pubsub_let_go_total", "Messages held for too long, which come again."),
      .lost = metrics.counter("slipway_pubsub_lost_answers_total",
                              "Acknowledgements and extensions that did not arrive; the messages come again.")};
}

}  // namespace

void Delivery::ack() {
  const auto state = std::exchange(state_, {}).lock();
  if (!state) return;
  const std::lock_guard lock(state->mutex);
  if (state->leases.ack(number_, Steady::now())) state->counters.acked.increment();
  state->changed.notify_all();
}

void Delivery::nack(base::Duration delay) {
  const auto state = std::exchange(state_, {}).lock();
  if (!state) return;
  const std::lock_guard lock(state->mutex);
  const auto bounded = std::clamp(delay, base::Duration(0), kAckDeadlineMax);
  if (state->leases.nack(number_, std::chrono::ceil<std::chrono::seconds>(bounded), Steady::now()))
    state->counters.nacked.increment();
  state->changed.notify_all();
}

// Sends answers and extensions; knows no lock.
class Answers {
 public:
  Answers(Pubsub& pubsub, const std::string& subscription, const observe::Logger& log, detail::Counters& counters,
          std::stop_token stop)
      : pubsub_(pubsub), subscription_(subscription), log_(log), counters_(counters), stop_(std::move(stop)) {}

  void send(const Leases::Work& work) {
    each_batch(work.acks, [this](auto ids) { pubsub_.acknowledge(subscription_, ids, stop_); });
    for (const auto& [deadline, ids] : work.deadlines)
      each_batch(ids,
                 [this, deadline](auto some) { pubsub_.modify_ack_deadline(subscription_, some, deadline, stop_); });
  }

 private:
  using Ids = std::span<const std::string>;

  template <class Call>
  void each_batch(Ids ids, Call call) {
    for (; !ids.empty(); ids = ids.subspan(std::min(ids.size(), kAckIdsMax)))
      deliver(ids.first(std::min(ids.size(), kAckIdsMax)), call);
  }

  // An id that the service does not know (any more) has it refuse all of them: the halves are sent by themselves.
  template <class Call>
  void deliver(Ids ids, const Call& call) {
    base::Duration pause{100};
    for (int tries = 1;; ++tries, pause *= 2) {
      try {
        call(ids);
        return;
      } catch (...) {
        const auto error = base::as_error(std::current_exception());
        const bool is_refused = error.error_class() == base::ErrorClass::user;
        if (is_refused && ids.size() > 1) {
          deliver(ids.first(ids.size() / 2), call);
          deliver(ids.subspan(ids.size() / 2), call);
          return;
        }
        if (is_refused || tries == kAnswerTries || !sleep(error.retry_after().value_or(pause))) {
          counters_.lost.increment(double(ids.size()));
          log_.debug("answers to Pub/Sub did not arrive; the messages come again",
                     {{"count", ids.size()}, {"error", error.what()}});
          return;
        }
      }
    }
  }

  bool sleep(base::Duration pause) {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop_, std::min(pause, base::Duration(5'000)), [] { return false; });
    return !stop_.stop_requested();
  }

  Pubsub& pubsub_;
  const std::string& subscription_;
  const observe::Logger& log_;
  detail::Counters& counters_;
  const std::stop_token stop_;
};

struct PubsubPuller::Threads {
  std::stop_source pulling, caring;  // the second one fires when `stop` has no more patience
  std::jthread puller, carer;
};

PubsubPuller::PubsubPuller(Pubsub& pubsub, PullerSettings settings, Handler handler, base::Random& random,
                           observe::Registry& metrics, const observe::Logger& log)
    : pubsub_(pubsub),
      settings_(std::move(settings)),
      handler_(std::move(handler)),
      random_(random),
      log_(log),
      metrics_(metrics),
      state_(std::make_shared<detail::PullerState>(
          detail::LeaseSettings{settings_.first_look, settings_.lease, settings_.lease_max, settings_.answer_delay},
          make_counters(metrics))),
      threads_(std::make_unique<Threads>()) {
  using Kind = observe::Registry::Kind;
  held_gauge_ = metrics.read(Kind::gauge, "slipway_pubsub_outstanding", "Messages held: pulled and not answered yet.",
                             {}, [this] { return double(held()); });
  age_gauge_ = metrics.read(Kind::gauge, "slipway_pubsub_oldest_unacked_seconds",
                            "For how long the oldest of the held messages has been held.", {}, [this] {
                              const std::lock_guard lock(state_->mutex);
                              const auto since = state_->leases.oldest();
                              return since ? std::chrono::duration<double>(Steady::now() - *since).count() : 0;
                            });
}

PubsubPuller::~PubsubPuller() { stop(); }

std::size_t PubsubPuller::held() const {
  const std::lock_guard lock(state_->mutex);
  return state_->leases.held();
}

void PubsubPuller::start() {
  SLIPWAY_ASSERT(!threads_->puller.joinable());
  threads_->puller = std::jthread([this] { pull(); });
  threads_->carer = std::jthread([this] { care(); });
}

void PubsubPuller::stop() {
  threads_->pulling.request_stop();
  if (threads_->puller.joinable()) threads_->puller.join();
  {
    const std::lock_guard lock(state_->mutex);
    if (!state_->has_ended) state_->leases.nack_all(Steady::now());
    state_->has_ended = true;
    state_->changed.notify_all();
  }
  if (!threads_->carer.joinable()) return;
  {
    std::unique_lock lock(state_->mutex);
    state_->changed.wait_for(lock, settings_.goodbye, [this] { return state_->has_answered; });
  }
  threads_->caring.request_stop();
  threads_->carer.join();
}

// ---- pulling

void PubsubPuller::pull() {
  const auto stop = threads_->pulling.get_token();
  auto backoff = settings_.backoff_first;
  bool is_failing = false;
  while (wait_for_room()) {
    try {
      const auto room = settings_.messages_max - held();
      // After a failure a pull is the call that finds out whether the service is there again. It should not be a long
      // one: meanwhile the circuit lets nobody else through.
      const auto wait = is_failing ? PullWait::none : PullWait::usual;
      auto pulled = pubsub_.pull(settings_.subscription, std::min(room, kPublishMessagesMax), wait, stop);
      if (std::exchange(is_failing, false)) log_.info("messages are pulled again");
      backoff = settings_.backoff_first;
      state_->counters.received.increment(double(pulled.size()));
      hand_out(std::move(pulled));
    } catch (...) {
      if (stop.stop_requested()) return;
      const auto error = base::as_error(std::current_exception());
      metrics_
          .counter("slipway_pubsub_pull_errors_total", "Pulls that failed, by the error's code.",
                   {{"code", error.code()}})
          .increment();
      if (!std::exchange(is_failing, true))
        log_.warning("messages cannot be pulled, and it is tried again",
                     {{"subscription", settings_.subscription}, {"error", error.what()}});
      if (!back_off(backoff, error)) return;
    }
  }
}

void PubsubPuller::hand_out(std::vector<PulledMessage> pulled) {
  std::vector<std::uint64_t> numbers;
  numbers.reserve(pulled.size());
  {
    const std::lock_guard lock(state_->mutex);
    const auto now = Steady::now();
    for (auto& one : pulled)
      numbers.push_back(state_->leases.hold(std::move(one.ack_id), one.message.data.size(), now));
    state_->changed.notify_all();
  }
  for (std::size_t i = 0; i < pulled.size(); ++i)
    handler_(Delivery(state_, numbers[i], std::move(pulled[i].message), pulled[i].delivery_attempt));
}

// False when it is time to stop. Once full, it waits until a quarter is free again: pulls of single messages are dear.
bool PubsubPuller::wait_for_room() {
  const auto is_full = [this](std::size_t messages_max) {
    return state_->leases.held() >= messages_max || state_->leases.bytes() >= settings_.bytes_max;
  };
  std::unique_lock lock(state_->mutex);
  const auto stop = threads_->pulling.get_token();
  if (is_full(settings_.messages_max))
    state_->changed.wait(lock, stop,
                         [&] { return !is_full(std::max<std::size_t>(settings_.messages_max * 3 / 4, 1)); });
  return !stop.stop_requested();
}

// Jitter takes up to a half away. False when it is time to stop.
bool PubsubPuller::back_off(base::Duration& backoff, const base::Error& error) {
  const auto jittered = base::Duration(std::int64_t(double(backoff.count()) * (0.5 + 0.5 * random_.fraction())));
  const auto pause =
      std::max(jittered, std::min(error.retry_after().value_or(base::Duration(0)), settings_.backoff_max));
  backoff = std::min(backoff * 2, settings_.backoff_max);
  std::unique_lock lock(state_->mutex);
  const auto stop = threads_->pulling.get_token();
  state_->changed.wait_for(lock, stop, pause, [] { return false; });
  return !stop.stop_requested();
}

// ---- answering

void PubsubPuller::care() {
  Answers answers(pubsub_, settings_.subscription, log_, state_->counters, threads_->caring.get_token());
  std::unique_lock lock(state_->mutex);
  for (;;) {
    const bool is_last = state_->has_ended;
    const auto work = state_->leases.take(is_last ? Moment::max() : Steady::now());
    if (!work.empty() || work.let_go > 0) {
      lock.unlock();
      state_->changed.notify_all();
      state_->counters.let_go.increment(double(work.let_go));
      if (const auto extended = work.deadlines.find(settings_.lease); extended != work.deadlines.end())
        state_->counters.extended.increment(double(extended->second.size()));
      answers.send(work);
      lock.lock();
    }
    if (is_last) break;
    const auto next = state_->leases.next();
    const auto is_due = [&] { return state_->has_ended || state_->leases.next() != next; };
    if (next)
      state_->changed.wait_until(lock, *next, is_due);
    else
      state_->changed.wait(lock, is_due);
  }
  state_->has_answered = true;
  state_->changed.notify_all();
}

}  // namespace slipway::google
