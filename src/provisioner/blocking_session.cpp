#include "provisioner/blocking_session.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "provisioner/log_text.h"
#include "provisioner/session_folder.h"
#include "provisioner/session_order.h"

namespace slipway::provisioner {

base::Error cancelled_error() { return base::Error(base::ErrorClass::user, "CANCELLED", "the request was cancelled"); }

// Shared by the session and its thread: a session that is destroyed within its own last event leaves it to the thread.
struct BlockingSession::State {
  struct Item {
    Request request;
    std::stop_source cancel;
  };

  State(Hello h, std::function<std::unique_ptr<SessionWork>()> m, SessionEvents e)
      : hello(std::move(h)), make(std::move(m)), events(std::move(e)) {}

  void send(Request request);
  void close(bool force);
  void run();

  std::stop_source accept(Request request);
  void carry_out(Item& item, SessionWork& work);
  void perform(const Request& request, SessionWork& session, Work& work);
  void say(Message message);
  void wait_until_resumed();
  std::optional<Item> next();

  const Hello hello;
  const std::function<std::unique_ptr<SessionWork>()> make;
  const SessionEvents events;

  std::mutex mutex;
  std::condition_variable changed;
  SessionOrder order;
  std::deque<Item> queue;
  std::stop_source under_way{std::nostopstate};  // of the last request that was sent
  std::stop_source killed;
  bool killing = false;
  bool paused = false;
  bool closing = false;
  std::optional<base::Error> broken;

  // The thread's own.
  bool debug = false;
  base::UniqueFd folder;  // held for as long as there is a session
  std::optional<base::Error> config_failure;
  std::thread thread;
};

namespace {

class RequestWork final : public Work {
 public:
  RequestWork(std::stop_token cancelled, std::stop_token killed, bool debug, std::function<void(Message)> say)
      : cancelled_(std::move(cancelled)), killed_(std::move(killed)), debug_(debug), say_(std::move(say)) {}

  std::stop_token cancelled() const override { return cancelled_; }
  std::stop_token killed() const override { return killed_; }
  void log(fleet::LogLevel level, std::string line) override {
    if (!debug_ && level <= fleet::LogLevel::debug) return;
    for (auto& clean : clean_lines(line)) say_(Log{.level = level, .output = std::move(clean)});
  }
  void state_written(std::string file) override { say_(StateWritten{.file = std::move(file)}); }

 private:
  std::stop_token cancelled_, killed_;
  bool debug_;
  std::function<void(Message)> say_;
};

}  // namespace

// Stop callbacks are the provisioner's code, and may log: no lock is held while they run.
void BlockingSession::State::send(Request request) {
  std::unique_lock lock(mutex);
  if (closing) return;
  try {
    auto to_stop = accept(std::move(request));
    changed.notify_all();
    lock.unlock();
    to_stop.request_stop();
  } catch (const base::Error& error) {
    broken = error;
    lock.unlock();
    close(true);
  }
}

// Gives what the request stops: something only if it is a Cancel.
std::stop_source BlockingSession::State::accept(Request request) {
  const auto verdict = order.on_request(request);
  if (std::holds_alternative<Cancel>(request) && verdict == SessionOrder::Verdict::carry_out) return under_way;
  Item item{.request = std::move(request), .cancel = {}};
  if (order.is_busy()) under_way = item.cancel;
  queue.push_back(std::move(item));
  return std::stop_source(std::nostopstate);
}

void BlockingSession::State::close(bool force) {
  std::stop_source cancel{std::nostopstate};
  {
    const std::lock_guard lock(mutex);
    closing = true;
    killing = killing || force;
    cancel = under_way;
    changed.notify_all();
  }
  cancel.request_stop();
  if (force) killed.request_stop();
}

std::optional<BlockingSession::State::Item> BlockingSession::State::next() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !queue.empty() || closing || broken; });
  if (killing || queue.empty()) return std::nullopt;
  Item item = std::move(queue.front());
  queue.pop_front();
  return item;
}

void BlockingSession::State::wait_until_resumed() {
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return !paused || killing; });
}

// Nothing but on_closed is said by a session that is killed.
void BlockingSession::State::say(Message message) {
  wait_until_resumed();
  {
    const std::lock_guard lock(mutex);
    if (killing) return;
    order.on_message(message);
  }
  const bool is_state = std::holds_alternative<StateWritten>(message);
  events.on_message(std::move(message));
  if (is_state) wait_until_resumed();
}

template <class Completion, class Perform>
Completion answer(Perform perform) {
  const auto failed = [](const base::Error& error) {
    Completion completion;
    completion.error = to_problem(error);
    return completion;
  };
  try {
    return perform();
  } catch (const SessionBroken&) {
    throw;
  } catch (...) {
    return failed(base::as_error(std::current_exception()));
  }
}

void BlockingSession::State::perform(const Request& request, SessionWork& session, Work& work) {
  const auto configured = [&] {
    if (config_failure) throw base::Error(*config_failure);
  };
  if (std::holds_alternative<Parse>(request)) {
    say(answer<ParseComplete>([&] { return configured(), session.parse(work); }));
  } else if (const auto* plan = std::get_if<Plan>(&request)) {
    say(answer<PlanComplete>([&] { return configured(), session.plan(*plan, work); }));
  } else {
    say(answer<ApplyComplete>([&] { return configured(), session.apply(work); }));
  }
}

void BlockingSession::State::carry_out(Item& item, SessionWork& session) {
  if (const auto* config = std::get_if<Config>(&item.request)) {
    debug = config->debug;
    try {
      folder = hold_session_folder(config->directory);
      session.configure(*config);
    } catch (const std::exception&) {
      config_failure = base::as_error(std::current_exception());
    }
    return;
  }
  if (std::holds_alternative<Cancel>(item.request)) {
    if (debug) say(Log{.level = fleet::LogLevel::debug, .output = "a cancel came when nothing was under way"});
    return;
  }
  RequestWork work(item.cancel.get_token(), killed.get_token(), debug, [this](Message m) { say(std::move(m)); });
  perform(item.request, session, work);
}

void BlockingSession::State::run() {
  std::optional<base::Error> failure;
  try {
    const auto session = make();
    say(hello);
    while (auto item = next()) carry_out(*item, *session);
  } catch (const SessionBroken& ended) {
    failure = ended.error;
  } catch (...) {
    failure = base::as_error(std::current_exception());
  }
  {
    const std::lock_guard lock(mutex);
    if (broken) failure = broken;
    if (!broken && killing) failure.reset();
    closing = true;
  }
  events.on_closed(std::move(failure));
}

BlockingSession::BlockingSession(Hello hello, std::function<std::unique_ptr<SessionWork>()> make, SessionEvents events)
    : state_(std::make_shared<State>(std::move(hello), std::move(make), std::move(events))) {
  state_->thread = std::thread([state = state_] { state->run(); });
}

BlockingSession::~BlockingSession() {
  state_->close(true);
  if (state_->thread.get_id() == std::this_thread::get_id()) {
    state_->thread.detach();
  } else {
    state_->thread.join();
  }
}

void BlockingSession::send(Request request) { state_->send(std::move(request)); }
void BlockingSession::close(bool force) { state_->close(force); }

void BlockingSession::pause(bool paused) {
  const std::lock_guard lock(state_->mutex);
  state_->paused = paused;
  state_->changed.notify_all();
}

}  // namespace slipway::provisioner
