#include "provisioner/stdio_session.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <deque>
#include <mutex>
#include <thread>

#include "agent/process.h"
#include "base/random.h"
#include "provisioner/child_environment.h"
#include "provisioner/codec.h"
#include "provisioner/leftovers.h"
#include "provisioner/line_buffer.h"
#include "provisioner/log_text.h"
#include "provisioner/session_order.h"

namespace slipway::provisioner {
namespace {

using Steady = std::chrono::steady_clock;

constexpr std::size_t kReadBytes = 64 << 10;
constexpr std::size_t kErrorLineMax = 64 << 10;  // of stderr: a longer line comes in pieces
constexpr std::size_t kLastWords = 20;           // lines of stderr that tell why a process died
constexpr std::size_t kEarlyLinesMax = 1'000;    // of stderr before its hello

base::Error unavailable(std::string reason) {
  return base::Error(base::ErrorClass::internal, "PROVISIONER_UNAVAILABLE", std::move(reason));
}

std::string how_it_ended(const siginfo_t& info) {
  return info.si_code == CLD_EXITED ? "ended with code " + std::to_string(info.si_status)
                                    : "was ended by signal " + std::to_string(info.si_status);
}

}  // namespace

// All of the session's state; the thread holds it, too.
class StdioSession::Loop {
 public:
  Loop(std::shared_ptr<const StdioOptions> options, SessionEvents events)
      : options_(std::move(options)), events_(std::move(events)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!wake_) throw base::system_error("make an eventfd", errno);
  }

  // ---- from any thread
  void send(Request request);
  void pause(bool paused);
  void close(bool force);

  // ---- the session's thread
  void run();

  std::thread thread;

 private:
  void wake() const { ::eventfd_write(wake_.get(), 1); }
  void break_off(base::Error error);  // with the mutex held

  void start();
  void turn();
  bool is_finished();
  void deliver();
  bool may_deliver();
  bool is_to_be_killed();
  void on_line(std::string_view line);
  void on_error_line(std::string_view line);
  void tell_log(fleet::LogLevel level, std::string line);
  void queue_input();
  void write_input();
  void act_on_bounds();
  void kill_now();
  void signal_group(int signal);
  void wait();
  int poll_timeout() const;
  void read(base::UniqueFd& fd, LineBuffer& buffer, std::size_t line_max);
  void reap();
  void finish(std::optional<base::Error> failure);
  base::Error death() const;

  const std::shared_ptr<const StdioOptions> options_;
  const SessionEvents events_;
  const base::UniqueFd wake_;

  std::mutex mutex_;
  SessionOrder order_;
  std::string outbox_;
  bool paused_ = false;
  bool closing_ = false;
  bool forced_ = false;
  bool debug_ = false;
  bool cancel_ignored_ = false;
  std::optional<base::Error> broken_;

  // The thread's own.
  const std::string mark_ = base::random_token(12);
  agent::Process process_;
  base::UniqueFd ended_;  // the process, as a descriptor
  bool greeted_ = false;
  bool killed_ = false;
  bool exited_ = false;
  siginfo_t exit_{};
  std::string input_;
  std::size_t states_to_confirm_ = 0;
  LineBuffer lines_, error_lines_;
  std::deque<std::string> last_words_;
  std::vector<std::string> early_;
  int leftovers_ = 0;
  std::optional<Steady::time_point> bound_;  // of what is waited for
  enum class Asked { nothing, to_end, to_terminate, nothing_more } asked_ = Asked::nothing;
};

// ---- from any thread

void StdioSession::Loop::break_off(base::Error error) {
  if (!broken_) broken_ = std::move(error);
}

void StdioSession::Loop::send(Request request) {
  const std::lock_guard lock(mutex_);
  if (closing_ || broken_) return;
  try {
    if (const auto* config = std::get_if<Config>(&request)) debug_ = config->debug;
    if (order_.on_request(request) == SessionOrder::Verdict::carry_out) {
      outbox_ += encode(request);
    } else {
      cancel_ignored_ = debug_;
    }
  } catch (const base::Error& error) {
    break_off(error);
  }
  wake();
}

void StdioSession::Loop::pause(bool paused) {
  const std::lock_guard lock(mutex_);
  paused_ = paused;
  wake();
}

void StdioSession::Loop::close(bool force) {
  const std::lock_guard lock(mutex_);
  if (!closing_ && order_.is_busy()) outbox_ += encode(Request(Cancel{}));
  closing_ = true;
  forced_ = forced_ || force;
  wake();
}

// ---- the session's thread

void StdioSession::Loop::start() {
  auto environment = child_environment(environ);
  for (const auto& [name, value] : options_->environment) environment[name] = value;
  environment[kSessionMark] = mark_;
  try {
    process_ = agent::spawn({.program = options_->command.at(0),
                             .arguments = options_->command,
                             .environment = std::move(environment),
                             .directory = options_->directory});
  } catch (const base::Error& error) {
    throw unavailable("the provisioner '" + options_->type + "' cannot be started: " + error.message());
  }
  ended_.reset(int(::syscall(SYS_pidfd_open, process_.pid, 0)));
  bound_ = Steady::now() + options_->hello_bound;
}

void StdioSession::Loop::run() {
  // A write to a process that has gone is an error like others.
  sigset_t broken_pipe;
  ::sigemptyset(&broken_pipe);
  ::sigaddset(&broken_pipe, SIGPIPE);
  ::pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
  std::optional<base::Error> failure;
  try {
    start();
    while (!is_finished()) turn();
  } catch (...) {
    failure = base::as_error(std::current_exception());
  }
  finish(std::move(failure));
}

void StdioSession::Loop::turn() {
  try {
    deliver();
  } catch (const base::Error& error) {
    const std::lock_guard lock(mutex_);
    break_off(error);
  }
  queue_input();
  write_input();
  act_on_bounds();
  wait();
}

bool StdioSession::Loop::is_finished() {
  if (!exited_) return false;
  if (is_to_be_killed()) return true;
  return !process_.output && !process_.error && !lines_.has_line() && error_lines_.partial_size() == 0;
}

bool StdioSession::Loop::may_deliver() {
  const std::lock_guard lock(mutex_);
  return !paused_ && !forced_ && !broken_;
}

bool StdioSession::Loop::is_to_be_killed() {
  const std::lock_guard lock(mutex_);
  return forced_ || broken_;
}

// All whole lines that are there, unless the reader wants a pause.
void StdioSession::Loop::deliver() {
  while (may_deliver()) {
    if (const auto line = lines_.next()) {
      on_line(*line);
    } else if (const auto error_line = error_lines_.next()) {
      on_error_line(*error_line);
    } else if (error_lines_.partial_size() >= (process_.error ? kErrorLineMax : 1)) {
      on_error_line(error_lines_.take_partial());
    } else {
      return;
    }
  }
}

void StdioSession::Loop::tell_log(fleet::LogLevel level, std::string line) {
  bool wanted = level > fleet::LogLevel::debug;
  if (!wanted) {
    const std::lock_guard lock(mutex_);
    wanted = debug_;
  }
  if (wanted) events_.on_message(Log{.level = level, .output = std::move(line)});
}

void StdioSession::Loop::on_line(std::string_view line) {
  Message message = decode_message(line);
  {
    const std::lock_guard lock(mutex_);
    order_.on_message(message);
  }
  if (const auto* log = std::get_if<Log>(&message)) {
    for (auto& text : clean_lines(log->output)) tell_log(log->level, std::move(text));
    return;
  }
  if (std::holds_alternative<StateWritten>(message)) ++states_to_confirm_;
  const bool is_hello = std::holds_alternative<Hello>(message);
  events_.on_message(std::move(message));
  if (!is_hello) return;
  greeted_ = true;
  if (asked_ == Asked::nothing) bound_.reset();
  for (auto& early : early_) tell_log(fleet::LogLevel::warn, std::move(early));
  early_.clear();
}

void StdioSession::Loop::on_error_line(std::string_view line) {
  std::string text = clean_line(line);
  last_words_.push_back(text);
  if (last_words_.size() > kLastWords) last_words_.pop_front();
  if (greeted_) return tell_log(fleet::LogLevel::warn, std::move(text));
  if (early_.size() == kEarlyLinesMax)
    throw protocol_error("the provisioner printed " + std::to_string(kEarlyLinesMax) + " lines before its hello");
  early_.push_back(std::move(text));
}

void StdioSession::Loop::queue_input() {
  bool tell_ignored = false;
  {
    const std::lock_guard lock(mutex_);
    if (greeted_) input_ += std::exchange(outbox_, {});
    // One that is told to end is told nothing of its states any more.
    if (!paused_ && !closing_)
      for (; states_to_confirm_ > 0; --states_to_confirm_) input_ += encode(StateKept{});
    tell_ignored = greeted_ && std::exchange(cancel_ignored_, false) && !paused_;
  }
  if (tell_ignored) tell_log(fleet::LogLevel::debug, "a cancel came when nothing was under way");
}

void StdioSession::Loop::write_input() {
  while (process_.input && !input_.empty()) {
    const ssize_t count = ::write(process_.input.get(), input_.data(), input_.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count < 0) {
      process_.input.reset();  // it does not read any more; that it ends is seen elsewhere
    } else {
      input_.erase(0, std::size_t(count));
    }
  }
  const std::lock_guard lock(mutex_);
  if (closing_) process_.input.reset();
}

void StdioSession::Loop::signal_group(int signal) {
  if (!exited_) ::kill(-process_.pid, signal);
}

void StdioSession::Loop::kill_now() {
  if (std::exchange(killed_, true) || exited_) return;
  signal_group(SIGKILL);
  leftovers_ += end_leftovers(process_.pid, mark_);
}

void StdioSession::Loop::act_on_bounds() {
  bool closing = false;
  {
    const std::lock_guard lock(mutex_);
    if (bound_ && Steady::now() >= *bound_ && !greeted_ && !closing_)
      break_off(unavailable("the provisioner '" + options_->type + "' did not say hello within " +
                            base::format_duration(options_->hello_bound)));
    closing = closing_;
  }
  if (is_to_be_killed()) return kill_now();
  if (!closing || exited_) return;
  if (asked_ == Asked::nothing) {
    asked_ = Asked::to_end;
    bound_ = Steady::now() + options_->cancel_bound;
  } else if (asked_ == Asked::to_end && Steady::now() >= *bound_) {
    asked_ = Asked::to_terminate;
    bound_ = Steady::now() + options_->terminate_bound;
    tell_log(fleet::LogLevel::warn, "the provisioner did not end within " +
                                        base::format_duration(options_->cancel_bound) + " and is terminated");
    signal_group(SIGTERM);
  } else if (asked_ == Asked::to_terminate && Steady::now() >= *bound_) {
    asked_ = Asked::nothing_more;
    bound_.reset();
    kill_now();
  }
}

int StdioSession::Loop::poll_timeout() const {
  if (!bound_) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*bound_ - Steady::now()).count();
  return int(std::max<std::int64_t>(left, 0));
}

void StdioSession::Loop::wait() {
  const bool reads = may_deliver();
  const auto watch = [](bool wanted, const base::UniqueFd& fd, short events) {
    return pollfd{.fd = wanted ? fd.get() : -1, .events = events, .revents = 0};
  };
  std::array<pollfd, 5> watched{watch(true, wake_, POLLIN), watch(!exited_, ended_, POLLIN),
                                watch(!input_.empty(), process_.input, POLLOUT), watch(reads, process_.output, POLLIN),
                                watch(reads, process_.error, POLLIN)};
  // What is left of a process that has ended is read without waiting.
  ::poll(watched.data(), watched.size(), exited_ && reads ? 0 : poll_timeout());
  if (watched[0].revents != 0) {
    eventfd_t count = 0;
    ::eventfd_read(wake_.get(), &count);
  }
  if (watched[1].revents != 0) reap();
  if (reads && (watched[3].revents != 0 || exited_)) read(process_.output, lines_, kLineMax);
  if (reads && (watched[4].revents != 0 || exited_)) read(process_.error, error_lines_, SIZE_MAX);
}

void StdioSession::Loop::read(base::UniqueFd& fd, LineBuffer& buffer, std::size_t line_max) {
  if (!fd) return;
  static thread_local std::array<char, kReadBytes> block;
  const ssize_t count = ::read(fd.get(), block.data(), block.size());
  if (count > 0) {
    buffer.append({block.data(), std::size_t(count)});
    if (buffer.partial_size() <= line_max) return;
    const std::lock_guard lock(mutex_);
    return break_off(protocol_error("the provisioner wrote a line of more than 64 MiB"));
  }
  if (count < 0 && errno == EINTR) return;
  // Once the process is gone, whoever still holds the pipe has hidden from us: it is not waited for.
  if (count < 0 && errno == EAGAIN && !exited_) return;
  fd.reset();
}

// What it has started goes with it; only then is its number given back.
void StdioSession::Loop::reap() {
  signal_group(SIGKILL);
  leftovers_ += end_leftovers(process_.pid, mark_);
  if (::waitid(P_PIDFD, id_t(ended_.get()), &exit_, WEXITED) != 0) exit_ = {};
  exited_ = true;
  bound_.reset();
  process_.input.reset();
}

base::Error StdioSession::Loop::death() const {
  std::string message = "the provisioner '" + options_->type + "' " + how_it_ended(exit_);
  if (!last_words_.empty()) {
    message += "; its last words:";
    for (const auto& line : last_words_) message += '\n' + line;
  }
  return base::Error(base::ErrorClass::internal, "PROVISIONER_DIED", std::move(message));
}

void StdioSession::Loop::finish(std::optional<base::Error> failure) {
  if (process_.pid > 0 && !exited_) {  // what failed was our own side
    kill_now();
    reap();
  }
  bool quiet = false;
  {
    const std::lock_guard lock(mutex_);
    if (broken_) failure = broken_;
    if (!failure && !closing_) failure = death();
    if (forced_ && !broken_) failure.reset();
    quiet = failure || forced_;
    closing_ = true;
  }
  if (!quiet && leftovers_ > 0 && greeted_)
    tell_log(fleet::LogLevel::warn, std::to_string(leftovers_) + " processes that the provisioner left were ended");
  events_.on_closed(std::move(failure));
}

// ---- the handle

StdioSession::StdioSession(std::shared_ptr<const StdioOptions> options, SessionEvents events)
    : loop_(std::make_shared<Loop>(std::move(options), std::move(events))) {
  loop_->thread = std::thread([loop = loop_] { loop->run(); });
}

StdioSession::~StdioSession() {
  loop_->close(true);
  if (loop_->thread.get_id() == std::this_thread::get_id()) {
    loop_->thread.detach();
  } else {
    loop_->thread.join();
  }
}

void StdioSession::send(Request request) { loop_->send(std::move(request)); }
void StdioSession::pause(bool paused) { loop_->pause(paused); }
void StdioSession::close(bool force) { loop_->close(force); }

}  // namespace slipway::provisioner
