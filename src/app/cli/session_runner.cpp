#include "app/cli/session_runner.h"

#include <unistd.h>

#include <array>
#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <cstring>
#include <set>

#include "agent/client.h"
#include "app/cli/escape.h"
#include "app/cli/session_io.h"
#include "app/cli/terminal.h"
#include "net/event_loop.h"
#include "net/http.h"
#include "net/websocket.h"

namespace slipway::app::cli {

namespace {

using agent::StreamId;
using base::Error;
using base::ErrorClass;
using net::Awaitable;

constexpr base::Duration kConnectWithin = std::chrono::seconds(10);
// A restart of the hub is bridged sooner; only longer ones are worth a line in the middle of somebody's work.
constexpr base::Duration kQuietInterruption = std::chrono::seconds(3);
constexpr std::size_t kThreads = 3;  // one each for input, output and error

constexpr std::array kForwardedSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2};
constexpr std::array kEndingSignals{SIGINT, SIGTERM, SIGHUP, SIGQUIT};

Error session_left() { return Error(ErrorClass::user, "SESSION_LEFT", "the session was left"); }

Awaitable<std::unique_ptr<net::WebSocket>> connect(net::IoContext& io, std::string url, base::Secret key) {
  net::Headers headers;
  if (!key.empty()) headers.set("Authorization", "Bearer " + key.reveal());
  co_return co_await net::connect_websocket(io, std::move(url), std::move(headers), kConnectWithin);
}

// Everything of one session; lives on its own loop, run by the caller's thread.
class SessionRun {
 public:
  SessionRun(const HubAddress& hub, const std::string& workspace_id, SessionCall call)
      : call_(std::move(call)),
        client_(
            io_, random_,
            [this, url = session_url(hub.url, workspace_id), key = hub.key] { return connect(io_, url, key); },
            call_.request),
        input_(call_.input),
        signals_(io_),
        changed_(io_),
        tasks_(io_, [this](std::exception_ptr failure) { fail(base::as_error(failure)); }) {}

  agent::Exit run() {
    net::TaskGroup main(io_, [this](std::exception_ptr failure) { fail(base::as_error(failure)); });
    main.spawn(live());
    io_.run();
    if (failure_) throw Error(*failure_);
    SLIPWAY_ASSERT(exit_.has_value());
    return *exit_;
  }

 private:
  Awaitable<void> live();
  Awaitable<void> pump_input();
  Awaitable<void> pump_output(StreamId stream);
  Awaitable<void> take_exit();
  Awaitable<void> obey_signals();
  Awaitable<bool> obey_signal(int number);
  Awaitable<void> tell_interruption();
  void begin_io();

  void fail(const Error& error) {
    if (!failure_) failure_ = error;
    changed_.notify_all();
  }
  // On a raw terminal they are typed, and what comes as a signal is meant for us.
  bool forwards_signals() const { return call_.forward_signals && !call_.raw_terminal; }
  bool over() const { return failure_ || (exit_ && outputs_open_ == 0); }

  SessionCall call_;
  net::IoContext io_{1};
  base::SystemRandom random_;
  net::WorkerPool workers_{kThreads};
  agent::SessionClient client_;
  InputReader input_;
  boost::asio::basic_signal_set<net::Executor> signals_;
  net::Signal changed_;
  net::TaskGroup tasks_;
  std::optional<RawTerminal> raw_;
  EscapeDetector escape_;
  std::set<int> signals_seen_;
  int outputs_open_ = 0;
  bool interrupted_ = false;
  std::optional<agent::Exit> exit_;
  std::optional<Error> failure_;
};

Awaitable<void> SessionRun::live() {
  try {
    co_await client_.open();
    begin_io();
  } catch (const Error& error) {
    fail(error);
  }
  while (!over()) co_await changed_.wait();
  raw_.reset();  // what is said from here on, and what may still take a moment, belongs to a sane terminal
  input_.stop();
  boost::system::error_code ignored;
  signals_.cancel(ignored);
  co_await client_.close();
  tasks_.cancel();
  co_await tasks_.join();
}

void SessionRun::begin_io() {
  if (call_.raw_terminal) raw_.emplace(call_.input);
  if (call_.raw_terminal) signals_.add(SIGWINCH);
  if (forwards_signals())
    for (const int number : kForwardedSignals) signals_.add(number);
  else
    for (const int number : kEndingSignals) signals_.add(number);  // after `raw_`, which would end us at once
  client_.on_interruption([this](bool interrupted) {
    interrupted_ = interrupted;
    if (interrupted) tasks_.spawn(tell_interruption());
  });
  outputs_open_ = 2;
  tasks_.spawn(take_exit());
  tasks_.spawn(pump_output(StreamId::output));
  tasks_.spawn(pump_output(StreamId::error));
  tasks_.spawn(pump_input());
  tasks_.spawn(obey_signals());
}

Awaitable<void> SessionRun::take_exit() {
  exit_ = co_await client_.wait_exit();
  changed_.notify_all();
}

Awaitable<void> SessionRun::pump_input() {
  while (call_.input >= 0) {
    auto bytes = co_await net::run_blocking(io_, workers_, [this] { return input_.read(); });
    if (!bytes) co_return;
    if (bytes->empty()) break;
    if (call_.raw_terminal) {
      auto typed = escape_.feed(*bytes);
      if (typed.leave) throw session_left();
      *bytes = std::move(typed.bytes);
    }
    co_await client_.write(std::move(*bytes));
  }
  co_await client_.end_input();
}

Awaitable<void> SessionRun::pump_output(StreamId stream) {
  int fd = stream == StreamId::output ? call_.output : call_.error;
  if (stream == StreamId::output && call_.open_output) {
    const auto facts = co_await client_.file_facts();
    if (facts) fd = call_.open_output(*facts);
  }
  while (true) {
    const std::string bytes = co_await client_.read(stream);
    if (bytes.empty()) break;
    if (fd >= 0) co_await net::run_blocking(io_, workers_, [&] { write_fully(fd, bytes); });
  }
  --outputs_open_;
  changed_.notify_all();
}

Awaitable<void> SessionRun::obey_signals() {
  while (!over()) {
    const auto [failure, number] = co_await signals_.async_wait(net::use_result);
    if (failure) co_return;
    if (!co_await obey_signal(number)) throw session_left();
  }
}

// False when it means that we should go.
Awaitable<bool> SessionRun::obey_signal(int number) {
  if (number == SIGWINCH) {
    const TerminalSize size = terminal_size(call_.input);
    co_await client_.resize({.rows = size.rows, .columns = size.columns});
    co_return true;
  }
  if (!forwards_signals()) co_return false;
  if (!signals_seen_.insert(number).second && number != SIGUSR1 && number != SIGUSR2) co_return false;
  co_await client_.signal(::sigabbrev_np(number));
  co_return true;
}

Awaitable<void> SessionRun::tell_interruption() {
  co_await net::sleep_for(kQuietInterruption);
  if (interrupted_ && call_.notice) call_.notice("the connection is lost; trying to go on where it was");
}

}  // namespace

std::string session_url(const std::string& hub_url, const std::string& workspace_id) {
  const std::string path = "/v1/workspaces/" + net::percent_encode(workspace_id) + "/connect";
  if (hub_url.starts_with("unix:")) return hub_url + ":" + path;
  const std::string base = hub_url.ends_with('/') ? hub_url.substr(0, hub_url.size() - 1) : hub_url;
  SLIPWAY_ASSERT(base.starts_with("http"));
  return "ws" + base.substr(4) + path;  // http: ws:, https: wss:
}

agent::Exit run_session(const HubAddress& hub, const std::string& workspace_id, SessionCall call) {
  return SessionRun(hub, workspace_id, std::move(call)).run();
}

int exit_code_of(const agent::Exit& exit) {
  if (exit.code) return *exit.code;
  if (exit.signal) {
    for (int number = 1; number < NSIG; ++number) {
      const char* name = ::sigabbrev_np(number);
      if (name != nullptr && *exit.signal == name) return 128 + number;
    }
    return 255;
  }
  throw Error(ErrorClass::user, exit.error_code.value_or("SESSION_FAILED"),
              exit.error_message.value_or("the session ended without a result"));
}

}  // namespace slipway::app::cli
