#include "agent/client.h"

#include <algorithm>
#include <chrono>

#include "agent/backoff.h"
#include "agent/session_end.h"

namespace slipway::agent {
namespace {

using namespace std::chrono_literals;
using net::Awaitable;
using Steady = std::chrono::steady_clock;

constexpr std::uint32_t kChannel = 1;  // one session for each connection
constexpr base::Duration kFarewellTime = 2s;
constexpr std::size_t kSessionIdBytes = 24;
constexpr std::uint16_t kNormalClosure = 1000, kProtocolErrorClosure = 1002;

net::Message binary(std::string data) { return {.text = false, .data = std::move(data)}; }

bool may_pass(const base::Error& error) {
  return error.error_class() == base::ErrorClass::transient || error.error_class() == base::ErrorClass::throttled;
}

base::Error closed_connection(const net::WebSocket& socket) {
  const bool our_fault = socket.close_code() == kProtocolErrorClosure;
  return base::Error(our_fault ? base::ErrorClass::internal : base::ErrorClass::transient, "CONNECTION_CLOSED",
                     "the hub closed the connection: " + socket.close_reason());
}

}  // namespace

std::string make_session_id() { return base::random_token(kSessionIdBytes); }

struct SessionClient::Impl : std::enable_shared_from_this<Impl> {
  struct Link {
    Link(net::IoContext& io, std::unique_ptr<net::WebSocket> ws) : socket(std::move(ws)), changed(io) {}
    std::unique_ptr<net::WebSocket> socket;
    bool over = false;
    net::Signal changed;
  };

  Impl(net::IoContext& context, base::Random& random, Connect c, OpenRequest r, SessionClientOptions o)
      : io(context),
        connect(std::move(c)),
        request(std::move(r)),
        options(o),
        backoff(random),
        changed(context),
        tasks(context, [this](std::exception_ptr failure) { fail(base::as_error(failure)); }) {}

  // The coroutines hold what they work on, so that a client that goes without `close` breaks nothing.
  Awaitable<void> keep_connected(std::shared_ptr<Impl> self);
  void give_up();
  Awaitable<void> serve(std::shared_ptr<Link> link);
  Awaitable<void> write_frames(std::shared_ptr<Impl> self, std::shared_ptr<Link> mine);
  void on_frame(const Frame& frame);
  void on_events();
  void on_closed(const Closed& closed);
  Awaitable<void> write(StreamId stream, std::string bytes);
  Awaitable<void> command(Command command);

  void fail(const base::Error& error) {
    if (!failure) failure = error;
    notify();
  }
  void throw_if_lost() const {
    if (failure) throw base::Error(*failure);
  }
  void notify() {
    changed.notify_all();
    if (link) link->changed.notify_all();
  }
  void interrupted(bool now) {
    if (opened && on_interruption) on_interruption(now);
  }
  // Nothing is to come any more.
  bool complete() const {
    return end.receiving(StreamId::events).at_end() && end.receiving(StreamId::output).at_end() &&
           end.receiving(StreamId::error).at_end();
  }
  bool done() const { return closing || failure || complete(); }

  net::IoContext& io;
  Connect connect;
  OpenRequest request;
  SessionClientOptions options;
  Backoff backoff;
  SessionEnd end{Side::client};
  net::Signal changed;  // for those who wait for the session
  net::TaskGroup tasks;
  std::shared_ptr<Link> link;
  bool opened = false;  // ever
  bool started = false, keeper_over = false;
  bool closing = false;
  std::optional<base::Error> failure;
  std::optional<base::Error> last_trouble;
  std::optional<FileFacts> facts;
  std::optional<Exit> exit;
  std::function<void(bool)> on_interruption;
};

Awaitable<void> SessionClient::Impl::keep_connected(std::shared_ptr<Impl> self) {
  auto alone_since = Steady::now();
  while (!done()) {
    try {
      const auto fresh = std::make_shared<Link>(io, co_await connect());
      co_await serve(fresh);
    } catch (const base::Error& error) {
      last_trouble = error;
      if (!may_pass(error)) fail(error);
    }
    if (end.attached()) {
      alone_since = Steady::now();
      backoff.reset();
      if (!done()) interrupted(true);
    }
    end.detach();
    if (done()) break;
    if (Steady::now() - alone_since > (opened ? options.give_up_after : options.open_within)) {
      give_up();
      break;
    }
    co_await changed.wait_for(backoff.next());
  }
  keeper_over = true;
  notify();
}

void SessionClient::Impl::give_up() {
  if (!opened) return fail(last_trouble.value_or(base::internal_error("the session did not open")));
  fail(base::Error(base::ErrorClass::transient, "GAVE_UP",
                   "the workspace could not be reached for " + base::format_duration(options.give_up_after) + ": " +
                       (last_trouble ? last_trouble->message() : "no reason is known")));
}

Awaitable<void> SessionClient::Impl::serve(std::shared_ptr<Link> fresh) {
  if (closing) co_return;
  link = fresh;
  request.resume = opened;
  request.received = end.positions();
  std::exception_ptr trouble;
  try {
    co_await fresh->socket->write(binary(encode(control_frame(FrameType::open, kChannel, request))));
    tasks.spawn(write_frames(shared_from_this(), fresh));
    while (const auto message = co_await fresh->socket->read()) on_frame(decode(message->data));
    if (!done()) throw closed_connection(*fresh->socket);
  } catch (const base::Error& error) {
    trouble = std::current_exception();
    fresh->socket->close(error.code() == "PROTOCOL_ERROR" ? kProtocolErrorClosure : kNormalClosure, error.message());
  }
  fresh->over = true;
  fresh->changed.notify_all();
  link.reset();
  if (trouble) std::rethrow_exception(trouble);
}

// Ends the connection when the session is complete or to be ended: the close frame lets the agent forget it.
Awaitable<void> SessionClient::Impl::write_frames(std::shared_ptr<Impl> self, std::shared_ptr<Link> mine) {
  try {
    while (!mine->over) {
      if (const auto frame = end.next_frame()) {
        Frame addressed = *frame;
        addressed.channel = kChannel;
        co_await mine->socket->write(binary(encode(addressed)));
        changed.notify_all();
      } else if (done()) {
        const Closed bye{.code = "CLIENT_CLOSED", .message = "the client is done"};
        co_await mine->socket->write(binary(encode(control_frame(FrameType::close, kChannel, bye))));
        mine->socket->close(kNormalClosure, "done");
        co_return;
      } else {
        co_await mine->changed.wait();
      }
    }
  } catch (const base::Error&) {
    mine->over = true;  // the reader tells why
  }
}

void SessionClient::Impl::on_frame(const Frame& frame) {
  if (frame.channel != kChannel) throw protocol_error("a frame of a channel that was never opened");
  switch (frame.type) {
    case FrameType::opened: {
      end.attach(read_message<Opened>(frame.payload).received);
      interrupted(false);
      opened = true;
      break;
    }
    case FrameType::close:
      return on_closed(read_message<Closed>(frame.payload));
    case FrameType::data:
    case FrameType::ack:
    case FrameType::eof:
      if (!end.attached()) throw protocol_error("a stream frame before the session was opened");
      end.receive(frame);
      if (frame.stream == StreamId::events) on_events();
      break;
    default:
      throw protocol_error("the hub must not send this type of frame");
  }
  notify();
}

void SessionClient::Impl::on_events() {
  while (const auto line = take_line(end.receiving(StreamId::events))) {
    const auto event = read_message<Event>(*line);
    if (event.file) facts = event.file;
    if (event.exit) exit = event.exit;
  }
}

void SessionClient::Impl::on_closed(const Closed& closed) {
  if (done()) return;
  const auto error_class = closed.retry ? base::ErrorClass::transient : base::ErrorClass::user;
  throw base::Error(error_class, closed.code, closed.message);
}

Awaitable<void> SessionClient::Impl::write(StreamId stream, std::string bytes) {
  SendStream& sender = end.sending(stream);
  std::string_view rest = bytes;
  while (!rest.empty() && !exit && !closing) {
    throw_if_lost();
    const auto piece = rest.substr(0, sender.room());
    if (piece.empty()) {
      co_await changed.wait();
      continue;
    }
    sender.write(piece);
    rest.remove_prefix(piece.size());
    notify();
  }
}

Awaitable<void> SessionClient::Impl::command(Command command) {
  co_await write(StreamId::commands, json::print(command) + '\n');
}

SessionClient::SessionClient(net::IoContext& io, base::Random& random, Connect connect, OpenRequest request,
                             SessionClientOptions options) {
  if (request.session.empty()) request.session = make_session_id();
  impl_ = std::make_shared<Impl>(io, random, std::move(connect), std::move(request), options);
}

SessionClient::~SessionClient() {
  impl_->closing = true;
  impl_->on_interruption = nullptr;
  impl_->tasks.cancel();
}

Awaitable<void> SessionClient::open() {
  const auto impl = impl_;
  validate(impl->request);
  SLIPWAY_ASSERT(!std::exchange(impl->started, true));
  impl->tasks.spawn(impl->keep_connected(impl));
  while (!impl->opened) {
    impl->throw_if_lost();
    co_await impl->changed.wait();
  }
}

Awaitable<void> SessionClient::write(std::string bytes) {
  const auto impl = impl_;
  co_await impl->write(StreamId::input, std::move(bytes));
}

Awaitable<void> SessionClient::end_input() {
  const auto impl = impl_;
  impl->throw_if_lost();
  impl->end.sending(StreamId::input).finish();
  impl->notify();
  co_return;
}

Awaitable<std::string> SessionClient::read(StreamId stream) {
  const auto impl = impl_;
  ReceiveStream& receiver = impl->end.receiving(stream);
  while (receiver.available().empty()) {
    if (receiver.at_end() || impl->closing) co_return "";
    impl->throw_if_lost();
    co_await impl->changed.wait();
  }
  std::string bytes(receiver.available());
  receiver.take(bytes.size());
  impl->notify();  // an acknowledgement may be due
  co_return bytes;
}

Awaitable<void> SessionClient::resize(TerminalSize size) {
  const auto impl = impl_;
  co_await impl->command({.resize = size});
}

Awaitable<void> SessionClient::signal(std::string name) {
  const auto impl = impl_;
  co_await impl->command({.signal = std::move(name)});
}

Awaitable<std::optional<FileFacts>> SessionClient::file_facts() {
  const auto impl = impl_;
  while (!impl->facts && !impl->exit) {
    impl->throw_if_lost();
    co_await impl->changed.wait();
  }
  co_return impl->facts;
}

Awaitable<Exit> SessionClient::wait_exit() {
  const auto impl = impl_;
  while (!impl->exit) {
    impl->throw_if_lost();
    co_await impl->changed.wait();
  }
  co_return *impl->exit;
}

void SessionClient::on_interruption(std::function<void(bool)> callback) {
  impl_->on_interruption = std::move(callback);
}

Awaitable<void> SessionClient::close() {
  const auto impl = impl_;
  impl->closing = true;
  impl->notify();
  const auto deadline = Steady::now() + kFarewellTime;
  while (impl->started && !impl->keeper_over && Steady::now() < deadline)
    co_await impl->changed.wait_for(std::chrono::ceil<base::Duration>(deadline - Steady::now()));
  impl->tasks.cancel();
  co_await impl->tasks.join();
}

}  // namespace slipway::agent
