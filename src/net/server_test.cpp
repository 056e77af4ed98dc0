#include "net/server.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <cstdio>
#include <filesystem>

#include "net/testing/loop.h"
#include "net/testing/raw_client.h"

namespace slipway::net {
namespace {

using namespace std::chrono_literals;
using testing::RawClient;
using testing::ServerThread;

// Answers with what it understood.
Awaitable<void> echo(Exchange& exchange) {
  const Request& request = exchange.request();
  if (request.path == "/throw") throw base::Error(base::ErrorClass::user, "NO_LUCK", "no luck");
  if (request.path == "/silent") co_return;
  if (request.path == "/abandon") co_return exchange.abandon();
  std::string text = std::string(to_string(request.method)) + " " + request.path;
  for (const auto& [name, value] : request.query) text += " " + name + "=" + value;
  text += "|" + request.body;
  co_await exchange.respond({200, {{"Content-Type", "text/plain"}}, std::move(text)});
}

ServerHooks plain_hooks() {
  ServerHooks hooks;
  hooks.on_error = [](const Request&, std::exception_ptr failure) {
    const auto error = base::as_error(failure);
    return Response{error.error_class() == base::ErrorClass::user ? 422 : 500, {}, error.code()};
  };
  hooks.on_refused = [](int status, const base::Error& error) {
    return json_response(status, "{\"code\":\"" + error.code() + "\"}");
  };
  return hooks;
}

std::string ask(std::uint16_t port, const std::string& bytes) {
  RawClient client(port);
  client.send(bytes);
  return client.receive_answer();
}

std::string first_line(const std::string& answer) { return answer.substr(0, answer.find("\r\n")); }

std::string run_curl(const std::string& arguments) {
  const std::string command = "curl -sS --noproxy '*' --max-time 20 " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::string output;
  char bytes[4096];
  while (const std::size_t count = fread(bytes, 1, sizeof bytes, pipe)) output.append(bytes, count);
  pclose(pipe);
  return output;
}

constexpr const char* kHost = "Host: x\r\n";

// ---- answering

TEST(Server, AnswersAnOrdinaryClient) {
  ServerThread server(echo);
  EXPECT_EQ(run_curl("'" + server.url("/a%20b?x=1&y=%C3%BC") + "'"), "GET /a b x=1 y=ü|");
  EXPECT_EQ(run_curl("-X PATCH -d hello '" + server.url("/") + "'"), "PATCH /|hello");
}

TEST(Server, AbandonedRequestSeesAReset) {
  ServerThread server(echo);
  const std::string output = run_curl("'" + server.url("/abandon") + "'");
  EXPECT_NE(output.find("reset by peer"), std::string::npos) << output;
  EXPECT_EQ(run_curl("'" + server.url("/next") + "'"), "GET /next|");
}

TEST(Server, KeepsTheConnectionForTheNextRequest) {
  ServerThread server(echo);
  const std::string url = server.url("/");
  run_curl("'" + url + "1' '" + url + "2' '" + url + "3'");
  const auto statistics = server.statistics();
  EXPECT_EQ(statistics.connections_total, 1u);
  EXPECT_EQ(statistics.requests_total, 3u);
}

TEST(Server, AnswersPipelinedRequestsInOrder) {
  ServerThread server(echo);
  RawClient client(server.port());
  client.send(std::string("GET /1 HTTP/1.1\r\n") + kHost + "\r\nPOST /2 HTTP/1.1\r\n" + kHost +
              "Content-Length: 2\r\n\r\nab" + "GET /3 HTTP/1.1\r\n" + kHost + "\r\n");
  EXPECT_TRUE(client.receive_answer().ends_with("GET /1|"));
  EXPECT_TRUE(client.receive_answer().ends_with("POST /2|ab"));
  EXPECT_TRUE(client.receive_answer().ends_with("GET /3|"));
}

TEST(Server, HeadHasTheLengthButNoBody) {
  ServerThread server(echo);
  RawClient client(server.port());
  client.send(std::string("HEAD /x HTTP/1.1\r\n") + kHost + "\r\nGET /y HTTP/1.1\r\n" + kHost + "\r\n");
  EXPECT_NE(client.receive_until("\r\n\r\n").find("Content-Length: 8\r\n"), std::string::npos);
  EXPECT_TRUE(client.receive_answer().ends_with("GET /y|"));
}

TEST(Server, ClosesWhenTheClientAsksForIt) {
  ServerThread server(echo);
  RawClient client(server.port());
  client.send(std::string("GET /x HTTP/1.1\r\nConnection: close\r\n") + kHost + "\r\n");
  const std::string answer = client.receive_all();
  EXPECT_NE(answer.find("Connection: close\r\n"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("GET /x|"));
}

TEST(Server, SpeaksHttp10) {
  ServerThread server(echo);
  RawClient client(server.port());
  client.send("GET /x HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(client.receive_all().ends_with("GET /x|"));
}

TEST(Server, ReadsChunkedBodies) {
  ServerThread server(echo);
  const std::string answer = ask(server.port(), std::string("POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n") +
                                                    kHost + "\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
  EXPECT_TRUE(answer.ends_with("POST /c|abcde")) << answer;
}

TEST(Server, InvitesTheBodyOfAClientThatAsksFirst) {
  ServerThread server(echo);
  RawClient client(server.port());
  client.send(std::string("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n") + kHost + "\r\n");
  EXPECT_EQ(client.receive_until("\r\n\r\n"), "HTTP/1.1 100 Continue\r\n\r\n");
  client.send("ok");
  EXPECT_TRUE(client.receive_answer().ends_with("POST /e|ok"));
}

TEST(Server, AnswersForAHandlerThatThrowsOrForgets) {
  ServerThread server(echo, {}, plain_hooks());
  EXPECT_EQ(run_curl("-w '%{http_code}' '" + server.url("/throw") + "'"), "NO_LUCK422");
  EXPECT_EQ(run_curl("-w '%{http_code}' '" + server.url("/silent") + "'"), "INTERNAL_ERROR500");
}

TEST(Server, ListensOnAUnixSocketThatOnlyItsOwnerMayUse) {
  const std::string path = ::testing::TempDir() + "slipway-net-" + std::to_string(getpid()) + ".sock";
  {
    ServerThread server([](Exchange& exchange) -> Awaitable<void> {
      co_await exchange.respond({200, {}, exchange.request().local_socket ? "local" : "not local"});
    });
    server.loop().call([&] { server.server().listen_unix(path); });
    EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms(0600));
    EXPECT_EQ(run_curl("--unix-socket " + path + " http://localhost/"), "local");
    EXPECT_THROW(server.loop().call([&] { server.server().listen_unix(path); }), base::Error);
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Server, ChildProcessesInheritNoSocket) {
  ServerThread server(echo);
  RawClient client(server.port());
  ASSERT_TRUE(server.wait_until([](const auto& now) { return now.connections == 1; }));
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(entry.path().filename());
    std::error_code gone;
    const bool socket = std::filesystem::read_symlink(entry.path(), gone).string().starts_with("socket:");
    if (!socket || fd == client.fd() || fd <= 2) continue;
    EXPECT_TRUE(fcntl(fd, F_GETFD) & FD_CLOEXEC) << fd;
  }
}

// ---- refusing

TEST(Server, RefusesWhatIsNoRequest) {
  ServerThread server(echo, {}, plain_hooks());
  const auto line = [&](const std::string& bytes) { return first_line(ask(server.port(), bytes)); };
  const std::string host = std::string(kHost) + "\r\n";
  EXPECT_EQ(line("nonsense\r\n\r\n"), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(line("GET / HTTP/1.1\r\n\r\n"), "HTTP/1.1 400 Bad Request");  // no Host
  EXPECT_EQ(line("GET /%zz HTTP/1.1\r\n" + host), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(line("GET /%ff HTTP/1.1\r\n" + host), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(line("GET /%00 HTTP/1.1\r\n" + host), "HTTP/1.1 400 Bad Request");
  EXPECT_EQ(line("GET / HTTP/3.0\r\n" + host), "HTTP/1.1 505 HTTP Version Not Supported");
  EXPECT_EQ(line("BREW / HTTP/1.1\r\n" + host), "HTTP/1.1 501 Not Implemented");
  EXPECT_EQ(line("CONNECT a:1 HTTP/1.1\r\n" + host), "HTTP/1.1 501 Not Implemented");
  EXPECT_EQ(line("POST / HTTP/1.1\r\nExpect: rain\r\nContent-Length: 1\r\n" + host), "HTTP/1.1 417 Expectation Failed");
  EXPECT_EQ(server.statistics().requests_total, 0u);
}

TEST(Server, RefusesRequestsThatTwoReadersMightReadDifferently) {
  ServerThread server(echo, {}, plain_hooks());
  const std::string host = std::string(kHost) + "\r\n";
  for (const std::string fields :
       {"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
        "Content-Length: 3\r\nContent-Length: 4\r\n", "Content-Length: -1\r\n", "Content-Length: 1x\r\n", "Host: y\r\n",
        "X : y\r\n"}) {
    const std::string answer = ask(server.port(), "POST / HTTP/1.1\r\n" + fields + host + "abc");
    EXPECT_EQ(first_line(answer), "HTTP/1.1 400 Bad Request") << fields;
  }
  const std::string answer = ask(server.port(), "POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n" + host);
  EXPECT_EQ(first_line(answer), "HTTP/1.1 501 Not Implemented");
}

TEST(Server, RefusesHalfARequestWithAnAnswer) {
  ServerThread server(echo, {}, plain_hooks());
  RawClient client(server.port());
  client.send(std::string("POST / HTTP/1.1\r\nContent-Length: 10\r\n") + kHost + "\r\nabc");
  client.end_sending();
  EXPECT_EQ(first_line(client.receive_answer()), "HTTP/1.1 400 Bad Request");
}

TEST(Server, RefusesAHeadThatIsTooLarge) {
  ServerThread server(echo, {}, plain_hooks());
  const std::string line = "X-Long: " + std::string(1000, 'x') + "\r\n";
  std::string head = std::string("GET / HTTP/1.1\r\n") + kHost;
  for (int i = 0; i < 100; ++i) head += line;
  EXPECT_EQ(first_line(ask(server.port(), head + "\r\n")), "HTTP/1.1 431 Request Header Fields Too Large");
  EXPECT_EQ(first_line(ask(server.port(), "GET /" + std::string(100'000, 'x'))),
            "HTTP/1.1 431 Request Header Fields Too Large");
}

TEST(Server, RefusesABodyThatIsTooLargeWithoutReadingIt) {
  ServerLimits limits;
  limits.body_bytes = 1000;
  ServerThread server(echo, limits, plain_hooks());
  const std::string body(5 << 20, 'x');
  RawClient client(server.port());
  client.send(std::string("POST / HTTP/1.1\r\nContent-Length: ") + std::to_string(body.size()) + "\r\n" + kHost +
              "\r\n" + body);
  EXPECT_EQ(first_line(client.receive_answer()), "HTTP/1.1 413 Content Too Large");
  const std::string chunk = "400\r\n" + std::string(1024, 'x') + "\r\n";
  EXPECT_EQ(first_line(ask(server.port(),
                           std::string("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n") + kHost + "\r\n" + chunk)),
            "HTTP/1.1 413 Content Too Large");
}

TEST(Server, LetsARouteTakeLargerBodies) {
  ServerHooks hooks = plain_hooks();
  hooks.body_limit = [](const Request& request) -> Awaitable<BodyAllowance> {
    co_return BodyAllowance{.bytes = request.path == "/large" ? 1000u : 10u};
  };
  ServerThread server(echo, {}, hooks);
  const std::string body(500, 'x');
  EXPECT_EQ(run_curl("-d " + body + " '" + server.url("/large") + "'"), "POST /large|" + body);
  EXPECT_EQ(run_curl("-d " + body + " '" + server.url("/small") + "'"), "{\"code\":\"PAYLOAD_TOO_LARGE\"}");
}

TEST(Server, RefusesAnUnwantedBodyByItsHeadAlone) {
  ServerHooks hooks = plain_hooks();
  hooks.body_limit = [](const Request&) -> Awaitable<BodyAllowance> {
    co_await sleep_for(1ms);
    throw base::Error(base::ErrorClass::user, "WHO_ARE_YOU", "a stranger");
  };
  ServerThread server(echo, {}, hooks);
  RawClient client(server.port());
  client.send(std::string("POST / HTTP/1.1\r\nContent-Length: 1000000\r\n") + kHost + "\r\n");
  EXPECT_EQ(first_line(client.receive_answer()), "HTTP/1.1 422 Unprocessable Content");
  EXPECT_EQ(server.statistics().requests_total, 0u);
}

TEST(Server, KeepsTheSlotOfALargeBodyUntilItIsAnswered) {
  const auto slot = std::make_shared<int>();
  ServerHooks hooks = plain_hooks();
  hooks.body_limit = [&](const Request&) -> Awaitable<BodyAllowance> { co_return BodyAllowance{1000, slot}; };
  std::atomic<long> held = 0;
  ServerThread server(
      [&](Exchange& exchange) -> Awaitable<void> {
        held = slot.use_count();
        co_await exchange.respond({200, {}, ""});
      },
      {}, hooks);
  ask(server.port(), std::string("POST / HTTP/1.1\r\nContent-Length: 1\r\nConnection: close\r\n") + kHost + "\r\nx");
  EXPECT_EQ(held, 2);
  ASSERT_TRUE(server.wait_until([](const auto& now) { return now.connections == 0; }));
  EXPECT_EQ(slot.use_count(), 1);
}

TEST(Server, TurnsConnectionsAwayWhenItHasTooMany) {
  ServerLimits limits;
  limits.connections = 2;
  ServerThread server(echo, limits, plain_hooks());
  RawClient first(server.port()), second(server.port());
  ASSERT_TRUE(server.wait_until([](const auto& now) { return now.connections == 2; }));
  EXPECT_EQ(first_line(ask(server.port(), std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n")),
            "HTTP/1.1 503 Service Unavailable");
  first.close();
  ASSERT_TRUE(server.wait_until([](const auto& now) { return now.connections == 1; }));
  EXPECT_EQ(first_line(ask(server.port(), std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n")), "HTTP/1.1 200 OK");
}

// ---- time

TEST(Server, DropsAClientThatDripFeedsItsHead) {
  ServerLimits limits;
  limits.head_time = 1s;  // also for the first byte to come
  ServerThread server(echo, limits, plain_hooks());
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\n");
  // Each byte comes well before the limit; all together do not.
  while (client.send("X")) {
    if (server.statistics().timed_out_total > 0) break;
    std::this_thread::sleep_for(5ms);
  }
  EXPECT_EQ(first_line(client.receive_answer()), "HTTP/1.1 408 Request Timeout");
}

TEST(Server, DropsAClientWhoseBodyDoesNotCome) {
  ServerLimits limits;
  limits.body_time = 50ms;
  ServerThread server(echo, limits, plain_hooks());
  RawClient client(server.port());
  client.send(std::string("POST / HTTP/1.1\r\nContent-Length: 10\r\n") + kHost + "\r\nabc");
  EXPECT_EQ(first_line(client.receive_answer()), "HTTP/1.1 408 Request Timeout");
}

TEST(Server, LetsALargeBodyTakeItsTimeWhileItComes) {
  ServerLimits limits;
  limits.body_time = 3s;  // far more than a byte takes on a busy machine, and less than all of them do
  limits.body_progress_bytes = 1;
  ServerThread server(echo, limits, plain_hooks());
  RawClient client(server.port());
  client.send(std::string("POST / HTTP/1.1\r\nContent-Length: 40\r\n") + kHost + "\r\n");
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(100ms);
    client.send("x");
  }
  EXPECT_EQ(first_line(client.receive_answer()), "HTTP/1.1 200 OK");
}

TEST(Server, ClosesAnIdleConnectionWithoutAWord) {
  ServerLimits limits;
  limits.idle_time = 50ms;
  ServerThread server(echo, limits, plain_hooks());
  RawClient client(server.port());
  client.send(std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n");
  EXPECT_EQ(first_line(client.receive_answer()), "HTTP/1.1 200 OK");
  EXPECT_EQ(client.receive_all(), "");
  EXPECT_EQ(server.statistics().timed_out_total, 0u);
}

TEST(Server, DropsAClientThatDoesNotReadItsAnswer) {
  ServerLimits limits;
  limits.write_stall = 100ms;
  ServerThread server(
      [](Exchange& exchange) -> Awaitable<void> { co_await exchange.respond({200, {}, std::string(64 << 20, 'x')}); },
      limits);
  RawClient client(server.port());
  client.send(std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n");
  EXPECT_TRUE(server.wait_until([](const auto& now) { return now.timed_out_total == 1 && now.connections == 0; }));
}

TEST(Server, HoldsAThousandIdleConnectionsAndStillAnswers) {
  rlimit descriptors{};
  getrlimit(RLIMIT_NOFILE, &descriptors);
  if (descriptors.rlim_cur < 2200) {
    descriptors.rlim_cur = std::min<rlim_t>(descriptors.rlim_max, 4096);
    setrlimit(RLIMIT_NOFILE, &descriptors);
  }
  ServerThread server(echo);
  std::vector<std::unique_ptr<RawClient>> idle;
  for (int i = 0; i < 1000; ++i) idle.push_back(std::make_unique<RawClient>(server.port()));
  ASSERT_TRUE(server.wait_until([](const auto& now) { return now.connections == 1000; }));
  EXPECT_EQ(run_curl("'" + server.url("/still") + "'"), "GET /still|");
  idle.clear();
  EXPECT_TRUE(server.wait_until([](const auto& now) { return now.connections == 0; }));
}

// ---- streams

TEST(Server, StreamsEventsAsTheyCome) {
  ServerThread server([](Exchange& exchange) -> Awaitable<void> {
    auto stream = co_await exchange.start_stream({200, {{"Content-Type", "text/event-stream"}}, ": hello\n\n"});
    co_await stream->write("data: 1\n\n");
    co_await stream->write("data: 2\n\n");
    co_await stream->finish();
  });
  EXPECT_EQ(run_curl("-N '" + server.url("/") + "'"), ": hello\n\ndata: 1\n\ndata: 2\n\n");
  RawClient old(server.port());
  old.send("GET / HTTP/1.0\r\n\r\n");
  EXPECT_TRUE(old.receive_all().ends_with("\r\n\r\n: hello\n\ndata: 1\n\ndata: 2\n\n"));
}

TEST(Server, EndsAStreamInWhichNothingIsWritten) {
  ServerThread server([](Exchange& exchange) -> Awaitable<void> {
    auto stream = co_await exchange.start_stream({200, {}, ""});
    co_await stream->finish();
  });
  for (const std::string request : {"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.0\r\n\r\n"}) {
    RawClient client(server.port());
    client.send(request);
    EXPECT_TRUE(client.receive_all().ends_with("\r\n\r\n")) << request;
  }
}

TEST(Server, NoticesThatAStreamsClientWentAwayThoughNothingIsWritten) {
  std::atomic<int> ended{0};
  ServerThread server([&](Exchange& exchange) -> Awaitable<void> {
    auto stream = co_await exchange.start_stream({200, {{"Content-Type", "text/event-stream"}}, ": hello\n\n"});
    Signal closed(static_cast<IoContext&>((co_await boost::asio::this_coro::executor).context()));
    stream->on_closed([&] { closed.notify_all(); });
    while (!stream->closed()) co_await closed.wait();
    EXPECT_FALSE(co_await stream->write("data: late\n\n"));
    ++ended;
  });
  RawClient client(server.port());
  client.send(std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n");
  client.receive_until(": hello\n\n");
  EXPECT_EQ(server.statistics().streams, 1u);
  client.close();
  EXPECT_TRUE(server.wait_until([](const auto& now) { return now.connections == 0 && now.streams == 0; }));
  EXPECT_EQ(ended, 1);
}

TEST(Server, TellsAHandlerThatWaitsWhetherItsClientIsStillThere) {
  std::atomic<bool> asked = false, seen_there = false, seen_gone = false;
  ServerThread server([&](this auto, Exchange& exchange) -> Awaitable<void> {
    seen_there = !exchange.peer_gone();
    asked = true;
    while (!exchange.peer_gone()) co_await sleep_for(1ms);
    seen_gone = true;
    co_await exchange.respond({200, {}, "nobody reads this"});
  });
  {
    RawClient client(server.port());
    // What is sent ahead must not hide the end that comes behind it.
    client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n");
    ASSERT_TRUE(server.wait_until([&](const ServerStatistics&) { return asked.load(); }));
    EXPECT_TRUE(seen_there);
    EXPECT_FALSE(seen_gone);
  }
  EXPECT_TRUE(server.wait_until([&](const ServerStatistics&) { return seen_gone.load(); }));
}

TEST(Server, BreaksTheConnectionOfAStreamThatWasNotFinished) {
  ServerThread server([](Exchange& exchange) -> Awaitable<void> {
    auto stream = co_await exchange.start_stream({200, {}, "some"});
    throw base::internal_error("in the middle");
  });
  const std::string output = run_curl("-w '%{exitcode}' '" + server.url("/") + "'");
  EXPECT_NE(output.find("some"), std::string::npos);
  EXPECT_TRUE(output.ends_with("18") || output.ends_with("56")) << output;  // transfer closed with data remaining
}

// ---- draining

TEST(Server, DrainClosesIdleConnectionsAndFinishesRequestsInFlight) {
  std::atomic<bool> entered{false};
  std::promise<void> let_go;
  ServerThread server([&](Exchange& exchange) -> Awaitable<void> {
    entered = true;
    auto future = let_go.get_future();
    while (future.wait_for(0s) != std::future_status::ready) co_await sleep_for(2ms);
    co_await exchange.respond({200, {}, "finished"});
  });
  RawClient idle(server.port()), busy(server.port());
  busy.send(std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n");
  ASSERT_TRUE(server.wait_until([&](const auto& now) { return now.connections == 2 && entered; }));
  auto drained = std::async(std::launch::async, [&] { server.drain(60s); });
  EXPECT_EQ(idle.receive_all(), "");
  EXPECT_THROW(RawClient(server.port()), std::runtime_error);
  let_go.set_value();
  const std::string answer = busy.receive_all();
  EXPECT_NE(answer.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(answer.ends_with("finished"));
  busy.close();
  drained.get();
  EXPECT_EQ(server.statistics().connections, 0u);
}

TEST(Server, DrainTellsStreamsAndBreaksWhatDoesNotEnd) {
  std::atomic<bool> told{false};
  ServerThread server([&](Exchange& exchange) -> Awaitable<void> {
    if (exchange.request().path == "/stubborn") {
      for (;;) co_await sleep_for(1h);
    }
    auto stream = co_await exchange.start_stream({200, {}, ": hello\n\n"});
    Signal closed(static_cast<IoContext&>((co_await boost::asio::this_coro::executor).context()));
    stream->on_closed([&] { closed.notify_all(); });
    while (!stream->closed()) co_await closed.wait();
    told = true;
    co_await stream->finish();
  });
  RawClient streaming(server.port()), stubborn(server.port());
  streaming.send(std::string("GET / HTTP/1.1\r\n") + kHost + "\r\n");
  stubborn.send(std::string("GET /stubborn HTTP/1.1\r\n") + kHost + "\r\n");
  streaming.receive_until(": hello\n\n");
  ASSERT_TRUE(server.wait_until([](const auto& now) { return now.requests_total == 2; }));
  server.drain(200ms);
  EXPECT_TRUE(told);
  EXPECT_TRUE(streaming.receive_all().ends_with("0\r\n\r\n"));
  EXPECT_EQ(stubborn.receive_all(), "");
}

}  // namespace
}  // namespace slipway::net
