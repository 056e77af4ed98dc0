// End to end: connections break, the hub restarts, the agent dies, peers misbehave (issue 2 item 6: "survives a hub
// restart without ending the user's shell").

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <fstream>

#include "agent/testing/world.h"
#include "base/digest.h"

namespace slipway::agent {
namespace {

using namespace testing;
using namespace std::chrono_literals;
using net::Awaitable;

// 100 MB that a reader can check piece by piece, and the program that writes them.
constexpr std::size_t kBigBytes = 100'000'000;
constexpr std::string_view kBigLine = "0123456789abcde\n";
constexpr const char* kBigCommand = "yes 0123456789abcde | head -c 100000000";

// A sanitizer keeps what was freed.
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr bool kMemoryIsMeasured = false;
#else
constexpr bool kMemoryIsMeasured = true;
#endif

class Resilience : public ::testing::Test {
 protected:
  Resilience() {
    world.start_hub(options());
    world.start_agent(SLIPWAY_AGENT_PROGRAM);
    world.run([&] { return world.agent_ready(); });
  }

  static HubOptions options() { return {.agent_wait = 2s}; }

  Awaitable<void> restart_hub() {
    co_await world.stop_hub();
    world.start_hub(options());
  }

  // What it holds, without what is mapped of its program: how much of a file the kernel maps ahead is the kernel's
  // choice.
  std::size_t agent_kilobytes() const {
    std::ifstream status("/proc/" + std::to_string(world.agent_pid()) + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("RssAnon:")) return std::stoul(line.substr(8));
    return 0;
  }

  World world;
};

// Reads all of the big output and calls `at` whenever another tenth has come.
Awaitable<void> read_big(SessionClient& client, std::function<Awaitable<void>()> at_each_tenth) {
  std::size_t position = 0, next_tenth = kBigBytes / 10;
  for (std::string bytes; !(bytes = co_await client.read(StreamId::output)).empty();) {
    for (const char byte : bytes)
      if (byte != kBigLine[position++ % kBigLine.size()])
        throw base::internal_error("a byte is lost or doubled before position " + std::to_string(position));
    if (position < next_tenth) continue;
    next_tenth += kBigBytes / 10;
    co_await at_each_tenth();
  }
  if (position != kBigBytes) throw base::internal_error("the output has " + std::to_string(position) + " bytes");
}

TEST_F(Resilience, BigOutputComesWholeAndIsNotHeldInMemory) {
  const auto client = world.client(shell_command(kBigCommand));
  const auto before = agent_kilobytes();
  auto most = before;
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await read_big(*client, [&]() -> Awaitable<void> {
      most = std::max(most, agent_kilobytes());
      co_return;
    });
    EXPECT_EQ((co_await client->wait_exit()).code, 0);
    co_await client->close();
  });
  // A few windows and buffers; far from 100 MB.
  if (kMemoryIsMeasured) EXPECT_LT(most, before + 24'000);
}

TEST_F(Resilience, StreamSurvivesEveryKindOfBreakWithoutALostByte) {
  const auto client = world.client(shell_command(kBigCommand));
  int turn = 0;
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await read_big(*client, [&]() -> Awaitable<void> {
      switch (turn++ % 3) {
        case 0:
          world.break_client_connection();
          break;
        case 1:
          co_await restart_hub();
          break;
        case 2:
          world.hub().disconnect(kWorkspace);
          break;
      }
    });
    EXPECT_EQ((co_await client->wait_exit()).code, 0);
    co_await client->close();
  });
  EXPECT_GE(turn, 9);
}

TEST_F(Resilience, InputSurvivesTooAndArrivesOnce) {
  const auto client = world.client(exec({"sha256sum"}));
  std::string input(20'000'000, '\0');
  base::SeededRandom random(5);
  for (char& byte : input) byte = char(random.next());
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    const std::size_t piece = input.size() / 8;
    for (std::size_t from = 0; from < input.size(); from += piece) {
      co_await client->write(input.substr(from, piece));
      if (from / piece % 2)
        world.break_client_connection();
      else
        co_await restart_hub();
    }
    co_await client->end_input();
    EXPECT_EQ((co_await read_all(*client)).substr(0, 64), base::sha256_hex(input));
    co_await client->close();
  });
}

TEST_F(Resilience, ShellIsTheSameAfterAHubRestart) {
  const auto client = world.client(terminal({"sh"}));
  std::vector<bool> interruptions;
  client->on_interruption([&](bool interrupted) { interruptions.push_back(interrupted); });
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    // The quotes keep the echo of what is typed from looking like the answer.
    co_await client->write("value=kept; echo pid=$$ e''nd\n");
    const auto first = co_await read_until(*client, " end\r\n");
    co_await restart_hub();
    co_await client->write("echo $value pid=$$ e''nd\n");
    const auto second = co_await read_until(*client, " end\r\n");
    EXPECT_NE(second.find("kept pid="), second.npos) << second;
    const auto pid_in = [](const std::string& text) {
      const auto at = text.rfind("pid=");
      return text.substr(at, text.find(" end", at) - at);
    };
    EXPECT_EQ(pid_in(first), pid_in(second));
    co_await client->close();
  });
  EXPECT_EQ(interruptions, (std::vector<bool>{true, false}));
  // The one-time token was used once; from then on the agent's own credential, also if it met the hub on its way out.
  auto seen = world.credentials_seen;
  ASSERT_GE(seen.size(), 2u);
  EXPECT_EQ(seen.front(), kToken);
  seen.erase(seen.begin());
  EXPECT_THAT(seen, ::testing::Each("slac_for_the_test"));
}

TEST_F(Resilience, SlowReaderStopsItsProducerAndNobodyElse) {
  const auto slow = world.client(shell_command("yes"));
  world.run([&]() -> Awaitable<void> {
    co_await slow->open();
    co_await read_until(*slow, "y");
    const auto before = agent_kilobytes();
    for (int i = 0; i < 5; ++i) {
      const auto other = world.client(exec({"echo", "quick"}));
      EXPECT_EQ((co_await finish(*other)).output, "quick\n");
    }
    if (kMemoryIsMeasured) EXPECT_LT(agent_kilobytes(), before + 8'000);
    co_await slow->close();
  });
}

TEST_F(Resilience, ClientIsToldWhenTheAgentWasKilledAndStaysAway) {
  const auto client = world.client(exec({"cat"}), {.give_up_after = 500ms});  // ends with its input: with its agent
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    world.signal_agent(SIGKILL);
    co_await world.agent_ended();
    std::string code;
    try {
      co_await client->wait_exit();
    } catch (const base::Error& error) {
      code = error.code();
    }
    EXPECT_EQ(code, "GAVE_UP");
    co_await client->close();
  });
  EXPECT_EQ(world.disconnects, 1);
}

TEST_F(Resilience, ClientIsToldWhenTheAgentWasRestarted) {
  const auto client = world.client(shell_command("echo up; exec cat"));
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await read_until(*client, "up");
    world.signal_agent(SIGKILL);
    co_await world.agent_ended();
    world.start_agent(SLIPWAY_AGENT_PROGRAM);
    std::string code;
    try {
      co_await client->wait_exit();
    } catch (const base::Error& error) {
      code = error.code();
    }
    EXPECT_EQ(code, "SESSION_NOT_FOUND");
    co_await client->close();
  });
}

TEST_F(Resilience, OpeningWithoutAnAgentSaysSo) {
  world.run([&]() -> Awaitable<void> {
    world.signal_agent(SIGTERM);
    co_await world.agent_ended();
    const auto client = world.client(exec({"true"}), {.open_within = 100ms});
    EXPECT_EQ(co_await code_of(client->open()), "AGENT_UNAVAILABLE");
    co_await client->close();
  });
}

TEST_F(Resilience, EndingTheAgentHangsUpItsShellsAndTellsTheClients) {
  const char* shell = "trap 'echo hung up; exit 3' HUP; echo ready; while :; do sleep 0.01; done";
  const auto client = world.client(terminal({"sh", "-c", shell}));
  world.run([&]() -> Awaitable<void> {
    co_await client->open();
    co_await read_until(*client, "ready");
    world.signal_agent(SIGTERM);
    const int status = co_await world.agent_ended();
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    EXPECT_EQ((co_await client->wait_exit()).code, 3);
    co_await client->close();
  });
}

TEST_F(Resilience, GarbageFromAClientEndsOnlyThatConnection) {
  const auto good = world.client(exec({"cat"}));
  world.run([&]() -> Awaitable<void> {
    co_await good->open();
    for (const std::string& garbage :
         {std::string("\xff\xff\xff\xff\xff\xff"), std::string(), std::string(70'000, '\x10'),
          encode(control_frame(FrameType::hello, 0, Hello{})), encode(control_frame(FrameType::detach, 1, Closed{}))}) {
      const auto bad = co_await world.connect_client();
      co_await bad->write({.text = false, .data = garbage});
      EXPECT_FALSE(co_await bad->read());
      EXPECT_EQ(bad->close_code(), 1002);
      EXPECT_FALSE(bad->close_reason().empty());
    }
    co_await good->write("still here");
    co_await read_until(*good, "still here");
    co_await good->close();
  });
  EXPECT_EQ(world.disconnects, 0);
}

TEST_F(Resilience, GarbageInAChannelEndsOnlyThatChannel) {
  const auto good = world.client(exec({"cat"}));
  world.run([&]() -> Awaitable<void> {
    co_await good->open();
    const auto bad = co_await world.connect_client();
    const auto refuse = [&](Frame frame) -> Awaitable<std::string> {
      co_await bad->write({.text = false, .data = encode(frame)});
      for (;;) {
        const auto message = co_await bad->read();
        if (!message) throw base::internal_error("the connection was closed: " + bad->close_reason());
        const Frame answer = decode(message->data);
        if (answer.type == FrameType::close) co_return read_message<Closed>(answer.payload).code;
      }
    };
    Frame not_json;
    not_json.type = FrameType::open;
    not_json.channel = 1;
    not_json.payload = "not json";
    EXPECT_EQ(co_await refuse(not_json), "PROTOCOL_ERROR");
    auto unknown = exec({"true"});
    unknown.session = make_session_id();
    unknown.resume = true;
    EXPECT_EQ(co_await refuse(control_frame(FrameType::open, 2, unknown)), "SESSION_NOT_FOUND");
    // A gap in a stream of a session that is there.
    auto cat = exec({"cat"});
    cat.session = make_session_id();
    co_await bad->write({.text = false, .data = encode(control_frame(FrameType::open, 3, cat))});
    EXPECT_EQ(decode((co_await bad->read())->data).type, FrameType::opened);
    Frame gap;
    gap.type = FrameType::data;
    gap.channel = 3;
    gap.offset = 10;
    gap.payload = "x";
    EXPECT_EQ(co_await refuse(gap), "PROTOCOL_ERROR");
    co_await good->write("still here");
    co_await read_until(*good, "still here");
    co_await good->close();
    bad->close(1000, "done");
  });
}

TEST_F(Resilience, NewerConnectionOfTheAgentReplacesTheOlder) {
  world.run([&]() -> Awaitable<void> {
    const auto rival = co_await world.connect_agent();
    co_await rival->write({.text = false, .data = encode(control_frame(FrameType::hello, 0, Hello{.version = "9"}))});
    const Frame welcome = decode((co_await rival->read())->data);
    EXPECT_EQ(welcome.type, FrameType::welcome);
    EXPECT_TRUE(read_message<Welcome>(welcome.payload).credential);
    Frame ready;
    ready.type = FrameType::ready;
    co_await rival->write({.text = false, .data = encode(ready)});
    while (world.readies < 2) co_await net::sleep_for(1ms);
    EXPECT_EQ(world.hub().agents(), 1u);
    // And garbage from an agent ends its connection, with a reason.
    co_await rival->write({.text = false, .data = encode(control_frame(FrameType::open, 1, Hello{}))});
    EXPECT_FALSE(co_await rival->read());
    EXPECT_EQ(rival->close_code(), 1002);
  });
}

TEST_F(Resilience, ActivityIsTold) {  // HUB-16
  world.run([&]() -> Awaitable<void> {
    const auto client = world.client(exec({"true"}));
    co_await finish(*client);
    co_await restart_hub();  // the first beat of a connection comes at once
    while (world.activity.empty()) co_await net::sleep_for(1ms);
    EXPECT_EQ(world.activity.front(), SessionKind::exec);
  });
}

TEST_F(Resilience, OrphansAreReaped) {
  // Its number is said before the shell ends: what an orphan itself says late, nobody may be there to hear.
  const auto client = world.client(shell_command("(sleep 0.01 & echo $!); exit 0"));
  world.run([&]() -> Awaitable<void> {
    const auto orphan = std::stoi((co_await finish(*client)).output);
    // A zombie would still have its entry.
    while (std::filesystem::exists("/proc/" + std::to_string(orphan))) co_await net::sleep_for(1ms);
  });
}

// In this process, with limits that a test can wait for.
TEST(DetachedSession, IsEndedWhenNobodyComesBack) {
  World world;
  world.start_hub();
  ChildReaper reaper(world.io, Orphans::left_alone);
  const Machine machine{.io = world.io,
                        .reaper = reaper,
                        .home = world.home(),
                        .state_directory = world.folder,
                        .user = "test",
                        .shell = "/bin/sh",
                        .environment = {{"PATH", "/usr/bin:/bin"}}};
  std::ofstream(world.folder / "token") << kToken;
  Agent agent(machine, world.random,
              {.hub_url = world.hub_url(),
               .token_file = world.folder / "token",
               .state_directory = world.folder,
               .version = "test",
               .keep_other = 50ms},
              [](std::string_view) {});
  net::TaskGroup tasks(world.io, [](std::exception_ptr failure) { ADD_FAILURE() << base::as_error(failure).what(); });
  world.run([&]() -> Awaitable<void> {
    tasks.spawn(agent.run());
    co_await world.agent_ready();
    auto request = shell_command("exec sleep 1000");
    request.session = make_session_id();
    const auto socket = co_await world.connect_client();
    co_await socket->write({.text = false, .data = encode(control_frame(FrameType::open, 1, request))});
    EXPECT_EQ(decode((co_await socket->read())->data).type, FrameType::opened);
    EXPECT_EQ(agent.sessions(), 1u);
    socket->close(1000, "gone");
    while (agent.sessions() > 0) co_await net::sleep_for(5ms);
    agent.stop();
    co_await tasks.join();
  });
}

}  // namespace
}  // namespace slipway::agent
