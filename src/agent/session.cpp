#include "agent/session.h"

#include <signal.h>

namespace slipway::agent {
namespace {

using net::Awaitable;
using Steady = std::chrono::steady_clock;

// A program has ended, but one that it left behind holds its output open: so long a silence is taken for the end.
constexpr auto kQuietAfterExit = std::chrono::milliseconds(500);

}  // namespace

Session::Session(const Machine& machine, OpenRequest request, Callbacks callbacks)
    : machine_(machine),
      request_(std::move(request)),
      callbacks_(std::move(callbacks)),
      last_activity_(Steady::now()),
      detached_since_(Steady::now()),
      changed_(machine.io) {}

void Session::start(net::TaskGroup& tasks) { tasks.spawn(run(shared_from_this(), tasks)); }

Awaitable<void> Session::run(std::shared_ptr<Session> self, net::TaskGroup& tasks) {
  std::exception_ptr failure;
  try {
    endpoint_ = co_await open_endpoint(machine_, request_);
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure) {
    over_ = true;
    callbacks_.on_refused(*this, base::as_error(failure));
    co_return;
  }
  if (ended_) endpoint_->kill();
  callbacks_.on_started(*this);
  co_await live(tasks);
  over_ = true;
  callbacks_.on_change();
}

Awaitable<void> Session::live(net::TaskGroup& tasks) {
  if (const auto facts = endpoint_->file_facts()) tell({.file = facts});
  tasks.spawn(pump_output(shared_from_this(), StreamId::output));
  tasks.spawn(pump_output(shared_from_this(), StreamId::error));
  tasks.spawn(pump_input(shared_from_this()));
  const Exit exit = co_await endpoint_->wait();
  co_await drain_output();
  ended_ = true;
  endpoint_->kill();  // ends a write that nobody takes
  tell({.exit = exit});
  end_.sending(StreamId::events).finish();
  changed();
}

// A reader that is slow holds the output open for as long as it likes; silence counts only while we wait for bytes.
Awaitable<void> Session::drain_output() {
  while (outputs_open_ > 0) {
    const auto before = bytes_read_;
    const bool something_happened = co_await changed_.wait_for(kQuietAfterExit);
    const bool reading = reads_pending_ == outputs_open_;
    if (!something_happened && reading && bytes_read_ == before) endpoint_->abandon_output();
  }
}

Awaitable<void> Session::pump_output(std::shared_ptr<Session> self, StreamId stream) {
  SendStream& sender = end_.sending(stream);
  for (;;) {
    while (sender.room() == 0 && !ended_ && !dropped_) co_await changed_.wait();
    if (sender.room() == 0 && !dropped_) break;  // killed, and nobody takes what it said
    ++reads_pending_;
    const auto limit = dropped_ ? kMaxDataBytes : std::min(sender.room(), kMaxDataBytes);
    const std::string bytes = co_await endpoint_->read(stream, limit);
    --reads_pending_;
    if (bytes.empty()) break;
    bytes_read_ += bytes.size();
    if (dropped_) continue;
    sender.write(bytes);
    if (channel_) note_activity();
    callbacks_.on_change();
  }
  sender.finish();
  --outputs_open_;
  changed();
}

// Input that nobody takes any more is thrown away, so that a client that sends on is not held up.
Awaitable<void> Session::pump_input(std::shared_ptr<Session> self) {
  ReceiveStream& input = end_.receiving(StreamId::input);
  bool taken = true;
  while (!input.at_end()) {
    if (input.available().empty()) {
      if (ended_) co_return;
      co_await changed_.wait();
      continue;
    }
    const std::string bytes(input.available().substr(0, kMaxDataBytes));
    if (taken && !ended_) taken = co_await endpoint_->write(bytes);
    input.take(bytes.size());
    callbacks_.on_change();
  }
  if (!ended_) endpoint_->end_input();
  callbacks_.on_change();
}

void Session::obey_commands() {
  while (const auto line = take_line(end_.receiving(StreamId::commands))) obey(read_message<Command>(*line));
}

void Session::obey(const Command& command) {
  if (command.resize) {
    validate(*command.resize, "/resize");
    endpoint_->resize(*command.resize);
  }
  if (command.signal) {
    const auto number = signal_number(*command.signal);
    if (!number) throw base::validation_error("/signal", "is not the name of a signal that can be sent");
    endpoint_->signal(*number);
  }
}

void Session::tell(const Event& event) {
  const std::string line = json::print(event) + '\n';
  // At most two short lines are ever written.
  end_.sending(StreamId::events).write(line);
  changed();
}

void Session::set_channel(std::uint32_t channel, const Positions& peer) {
  end_.detach();
  channel_ = channel;
  peer_ = peer;
  detached_since_.reset();
  note_activity();
}

void Session::begin_flow() {
  end_.attach(peer_);
  changed();
}

void Session::detach() {
  if (!channel_) return;
  end_.detach();
  channel_.reset();
  detached_since_ = Steady::now();
}

void Session::receive(const Frame& frame) {
  if (!end_.attached()) throw protocol_error("a stream frame before the session was opened");
  end_.receive(frame);
  if (frame.type == FrameType::data) note_activity();
  if (frame.stream == StreamId::commands) obey_commands();
  changed();
}

std::optional<Frame> Session::next_frame() {
  if (!channel_) return std::nullopt;
  auto frame = end_.next_frame();
  if (frame) frame->channel = *channel_;
  return frame;
}

void Session::hang_up() {
  if (endpoint_)
    endpoint_->hang_up();
  else
    kill();
}

void Session::drop() {
  dropped_ = true;
  hang_up();
  changed();
}

void Session::kill() {
  ended_ = true;
  if (endpoint_) endpoint_->kill();
  changed();
}

void Session::changed() {
  changed_.notify_all();
  callbacks_.on_change();
}

void Session::note_activity() { last_activity_ = Steady::now(); }

}  // namespace slipway::agent
