#include "agent/session_end.h"

#include <gtest/gtest.h>

#include <deque>

#include "base/random.h"

namespace slipway::agent {
namespace {

std::string code_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const base::Error& error) {
    return error.code();
  }
  return "no error";
}

Frame data(StreamId stream, std::uint64_t offset, std::string bytes) {
  Frame frame;
  frame.type = FrameType::data;
  frame.stream = stream;
  frame.offset = offset;
  frame.payload = std::move(bytes);
  return frame;
}

TEST(SendStream, StopsAtTheWindowUntilBytesAreTaken) {
  SendStream stream(StreamId::output);
  stream.write(std::string(kDataWindowBytes, 'x'));
  EXPECT_EQ(stream.room(), 0u);
  while (stream.next_frame()) {
  }
  stream.acknowledge(1000);
  EXPECT_EQ(stream.room(), 1000u);
}

TEST(SendStream, RefusesAnAcknowledgementOfWhatWasNeverSent) {
  SendStream stream(StreamId::output);
  stream.write("abc");
  EXPECT_EQ(code_of([&] { stream.acknowledge(1); }), "PROTOCOL_ERROR");
  EXPECT_EQ(code_of([&] { stream.resume_from(1); }), "PROTOCOL_ERROR");
}

TEST(SendStream, RefusesToResumeBeforeWhatWasAcknowledged) {
  SendStream stream(StreamId::output);
  stream.write("abc");
  stream.next_frame();
  stream.acknowledge(2);
  EXPECT_EQ(code_of([&] { stream.resume_from(1); }), "PROTOCOL_ERROR");
}

TEST(ReceiveStream, DropsWhatItHasAndKeepsTheRest) {
  ReceiveStream stream(StreamId::output);
  stream.receive(data(StreamId::output, 0, "abc"));
  stream.receive(data(StreamId::output, 1, "bcdef"));
  EXPECT_EQ(stream.available(), "abcdef");
}

TEST(ReceiveStream, RefusesAGapAndMoreThanTheWindow) {
  ReceiveStream stream(StreamId::output);
  EXPECT_EQ(code_of([&] { stream.receive(data(StreamId::output, 1, "b")); }), "PROTOCOL_ERROR");
  for (std::size_t offset = 0; offset < kDataWindowBytes; offset += kMaxDataBytes)
    stream.receive(data(StreamId::output, offset, std::string(kMaxDataBytes, 'x')));
  EXPECT_EQ(code_of([&] { stream.receive(data(StreamId::output, kDataWindowBytes, "x")); }), "PROTOCOL_ERROR");
}

TEST(SessionEnd, RefusesAFrameForAStreamThatFlowsTheOtherWay) {
  SessionEnd client(Side::client);
  client.attach({});
  EXPECT_EQ(code_of([&] { client.receive(data(StreamId::input, 0, "x")); }), "PROTOCOL_ERROR");
}

TEST(SessionEnd, ALineThatNeverEndsIsRefused) {
  ReceiveStream stream(StreamId::commands);
  stream.receive(data(StreamId::commands, 0, "{}\n{"));
  EXPECT_EQ(take_line(stream), "{}");
  EXPECT_EQ(take_line(stream), std::nullopt);
  stream.receive(data(StreamId::commands, 4, std::string(kMaxLineBytes, 'x')));
  EXPECT_EQ(code_of([&] { take_line(stream); }), "PROTOCOL_ERROR");
}

// Two ends with a relay between them: four queues, of which each may be cut at any frame, the handshake included.
class Model {
 public:
  explicit Model(std::uint64_t seed) : random_(seed) {}

  void run(std::size_t bytes_each_way) {
    const std::uint64_t cut_one_in = 20 + random_.below(400);
    const std::array plan = {Route{&client_, &agent_, StreamId::input}, Route{&client_, &agent_, StreamId::commands},
                             Route{&agent_, &client_, StreamId::output}, Route{&agent_, &client_, StreamId::error},
                             Route{&agent_, &client_, StreamId::events}};
    for (const Route& route : plan) streams_.push_back({route, bytes_each_way, {}, {}});
    int idle_rounds = 0;
    while (!done()) {
      ASSERT_LT(++idle_rounds, 2'000'000);
      if (random_.below(cut_one_in) == 0) cut();
      step();
    }
    for (const auto& stream : streams_) ASSERT_EQ(stream.written, stream.taken) << "once, in order";
  }

 private:
  struct Route {
    SessionEnd* from;
    SessionEnd* to;
    StreamId stream;
  };
  struct Traffic {
    Route route;
    std::size_t left;
    std::string written, taken;
  };
  using Queue = std::deque<std::string>;

  bool done() {
    for (const auto& s : streams_)
      if (s.left > 0 || !s.route.to->receiving(s.route.stream).at_end()) return false;
    return client_.all_acknowledged() && agent_.all_acknowledged();
  }

  void step() {
    switch (random_.below(6)) {
      case 0:
        return produce();
      case 1:
        return consume();
      case 2:
        return send(client_, client_to_hub_);
      case 3:
        return send(agent_, agent_to_hub_);
      case 4:
        return relay();
      case 5:
        return random_.below(2) ? at_agent() : at_client();
    }
  }

  void produce() {
    Traffic& s = streams_[random_.below(streams_.size())];
    SendStream& stream = s.route.from->sending(s.route.stream);
    if (stream.finished()) return;
    const std::size_t count = std::min({s.left, stream.room(), std::size_t(random_.below(50'000))});
    std::string bytes(count, '\0');
    for (char& byte : bytes) byte = char(random_.next());
    stream.write(bytes);
    s.written += bytes;
    s.left -= count;
    if (s.left == 0) stream.finish();
  }

  void consume() {
    Traffic& s = streams_[random_.below(streams_.size())];
    ReceiveStream& stream = s.route.to->receiving(s.route.stream);
    const auto available = stream.available();
    const std::size_t count = std::min(available.size(), std::size_t(random_.below(60'000)));
    s.taken += available.substr(0, count);
    stream.take(count);
  }

  void send(SessionEnd& end, Queue& queue) {
    if (!connected_) return connect();
    if (auto frame = end.next_frame()) queue.push_back(encode(*frame));
  }

  void relay() {
    for (auto [from, to] : {std::pair(&client_to_hub_, &hub_to_agent_), std::pair(&agent_to_hub_, &hub_to_client_)}) {
      if (from->empty()) continue;
      to->push_back(std::move(from->front()));
      from->pop_front();
    }
  }

  void connect() {
    connected_ = true;
    OpenRequest open{.session = "model", .resume = true, .received = client_.positions()};
    client_to_hub_.push_back(encode(control_frame(FrameType::open, 1, open)));
  }

  void at_agent() {
    if (hub_to_agent_.empty()) return;
    const Frame frame = decode(hub_to_agent_.front());
    hub_to_agent_.pop_front();
    if (frame.type != FrameType::open) return agent_.receive(frame);
    const Opened opened{.resumed = true, .received = agent_.positions()};
    agent_.attach(read_message<OpenRequest>(frame.payload).received);
    agent_to_hub_.push_back(encode(control_frame(FrameType::opened, 1, opened)));
  }

  void at_client() {
    if (hub_to_client_.empty()) return;
    const Frame frame = decode(hub_to_client_.front());
    hub_to_client_.pop_front();
    if (frame.type == FrameType::opened) return client_.attach(read_message<Opened>(frame.payload).received);
    client_.receive(frame);
  }

  // Either leg's loss ends the channel: nothing of it arrives any more.
  void cut() {
    for (Queue* queue : {&client_to_hub_, &hub_to_agent_, &agent_to_hub_, &hub_to_client_}) queue->clear();
    client_.detach();
    agent_.detach();
    connected_ = false;
  }

  base::SeededRandom random_;
  SessionEnd client_{Side::client}, agent_{Side::agent};
  bool connected_ = false;
  Queue client_to_hub_, hub_to_agent_, agent_to_hub_, hub_to_client_;
  std::vector<Traffic> streams_;
};

TEST(SessionModel, EveryByteArrivesOnceAndInOrderWhateverBreaksWhen) {
  for (std::uint64_t seed = 1; seed <= 300; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Model(seed).run(seed % 10 == 0 ? 600'000 : 20'000);
    if (testing::Test::HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace slipway::agent
