#include "net/websocket.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "net/testing/loop.h"
#include "net/testing/raw_client.h"
#include "net/testing/tls_files.h"

namespace slipway::net {
namespace {

using namespace std::chrono_literals;
using testing::RawClient;
using testing::ServerThread;

Awaitable<void> echo(Exchange& exchange) {
  if (exchange.request().path == "/forbidden") {
    co_await exchange.respond(json_response(403, R"({"error":{"code":"FORBIDDEN","message":"not you"}})"));
    co_return;
  }
  auto socket = co_await exchange.accept_websocket("echo.v1");
  while (auto message = co_await socket->read()) {
    if (message->data == "close me") socket->close(4001, "as you wish");
    if (message->data == "drop me") co_return;
    if (!socket->closed() && message->data != "close me") co_await socket->write(std::move(*message));
  }
}

Awaitable<std::unique_ptr<WebSocket>> connect(IoContext& io, const std::string& url, WebSocketOptions options = {}) {
  return connect_websocket(io, url, {{"Authorization", "Bearer x"}}, 60s, std::move(options));
}

// What connecting throws.
base::Error refusal(IoContext& io, const std::string& url, base::Duration timeout = 60s,
                    WebSocketOptions options = {}) {
  try {
    testing::run(io, connect_websocket(io, url, {}, timeout, std::move(options)));
  } catch (const base::Error& error) {
    return error;
  }
  return base::internal_error("it connected");
}

TEST(WebSocket, CarriesTextAndBytesBothWays) {
  ServerThread server(echo);
  IoContext io;
  testing::run(io, [](IoContext& io, std::string url) -> Awaitable<void> {
    auto socket = co_await connect(io, url);
    co_await socket->write({true, "häh"});
    auto answer = co_await socket->read();
    EXPECT_TRUE(answer && answer->text);
    EXPECT_EQ(answer->data, "häh");
    const std::string bytes(1 << 20, '\xff');
    co_await socket->write({false, bytes});
    answer = co_await socket->read();
    EXPECT_TRUE(answer && !answer->text);
    EXPECT_TRUE(answer->data == bytes);
    co_await socket->write({true, ""});
    answer = co_await socket->read();
    EXPECT_TRUE(answer && answer->data.empty());
    EXPECT_EQ(socket->buffered_bytes(), 0u);
  }(io, server.ws_url("/")));
}

TEST(WebSocket, WorksOverAUnixSocketAndTellsTheSubprotocol) {
  const std::string path = ::testing::TempDir() + "slipway-ws-" + std::to_string(getpid()) + ".sock";
  ServerThread server(echo);
  server.loop().call([&] { server.server().listen_unix(path); });
  IoContext io;
  testing::run(io, [](IoContext& io, std::string url) -> Awaitable<void> {
    WebSocketOptions options;
    options.subprotocol = "echo.v1";
    auto socket = co_await connect(io, url, options);
    EXPECT_EQ(socket->subprotocol(), "echo.v1");
    co_await socket->write({true, "hello"});
    const auto answer = co_await socket->read();
    EXPECT_TRUE(answer && answer->data == "hello");
  }(io, "unix:" + path + ":/agent"));
}

TEST(WebSocket, VerifiesTheServersCertificate) {
  const testing::TemporaryTls tls;
  ServerThread server(echo);
  const auto port = server.loop().call([&] { return server.server().listen_tcp("127.0.0.1", 0, tls.files()); });
  const std::string rest = ":" + std::to_string(port) + "/";
  IoContext io;
  EXPECT_EQ(refusal(io, "wss://localhost" + rest).code(), "TLS_FAILED");  // an authority that nobody knows
  WebSocketOptions trusting;
  trusting.ca_file = tls.files().certificate_chain;
  EXPECT_EQ(refusal(io, "wss://127.0.0.1" + rest, 60s, trusting).code(), "TLS_FAILED");  // another name
  testing::run(io, [](IoContext& io, std::string url, WebSocketOptions options) -> Awaitable<void> {
    auto socket = co_await connect(io, url, options);
    co_await socket->write({true, std::string(200'000, 'x')});
    const auto answer = co_await socket->read();
    EXPECT_TRUE(answer && answer->data.size() == 200'000);
  }(io, "wss://localhost" + rest, trusting));
}

TEST(WebSocket, ConcurrentWritersTakeTurns) {
  constexpr int kWriters = 50;
  ServerThread server(echo);
  IoContext io;
  testing::run(io, [](IoContext& io, std::string url) -> Awaitable<void> {
    auto socket = co_await connect(io, url);
    TaskGroup writers(io, [](std::exception_ptr) { ADD_FAILURE(); });
    for (int i = 0; i < kWriters; ++i)
      writers.spawn([](WebSocket& socket, int i) -> Awaitable<void> {
        co_await socket.write({true, std::to_string(i) + std::string(10'000, '.')});
      }(*socket, i));
    for (int i = 0; i < kWriters; ++i) {
      const auto answer = co_await socket->read();
      EXPECT_EQ(std::stoi(answer.value().data), i);  // in the order of their asking
    }
    co_await writers.join();
  }(io, server.ws_url("/")));
}

TEST(WebSocket, EitherSideCanCloseAndSayWhy) {
  ServerThread server(echo);
  IoContext io;
  testing::run(io, [](IoContext& io, std::string url) -> Awaitable<void> {
    auto socket = co_await connect(io, url);
    co_await socket->write({true, "close me"});
    EXPECT_FALSE(co_await socket->read());
    EXPECT_EQ(socket->close_code(), 4001);
    EXPECT_EQ(socket->close_reason(), "as you wish");
    bool refused = false;
    try {
      co_await socket->write({true, "late"});
    } catch (const base::Error& error) {
      refused = error.code() == "CONNECTION_CLOSED" && error.error_class() == base::ErrorClass::transient;
    }
    EXPECT_TRUE(refused);

    auto other = co_await connect(io, url);
    co_await other->write({true, "first this"});
    other->close(1000, "done");
    while (co_await other->read()) {  // the echo may have come before our closing, or be lost in it
    }
    EXPECT_EQ(other->close_code(), 1000);
  }(io, server.ws_url("/")));
  EXPECT_TRUE(server.wait_until([](const auto& now) { return now.websockets == 0; }));
}

TEST(WebSocket, ADroppedConnectionEndsReading) {
  ServerThread server(echo);
  IoContext io;
  testing::run(io, [](IoContext& io, std::string url) -> Awaitable<void> {
    auto socket = co_await connect(io, url);
    co_await socket->write({true, "drop me"});
    EXPECT_FALSE(co_await socket->read());
    EXPECT_EQ(socket->close_code(), 1006);
  }(io, server.ws_url("/")));
}

TEST(WebSocket, RefusesAMessageThatIsTooLarge) {
  ServerThread server(echo);
  IoContext io;
  testing::run(io, [](IoContext& io, std::string url) -> Awaitable<void> {
    auto socket = co_await connect(io, url);
    try {
      co_await socket->write({false, std::string((1 << 20) + 1, 'x')});
    } catch (const base::Error&) {
      // The server may close before it has taken all.
    }
    EXPECT_FALSE(co_await socket->read());
    EXPECT_EQ(socket->close_code(), 1009);
  }(io, server.ws_url("/")));
}

TEST(WebSocket, ADrainingServerSaysThatItGoesAway) {
  ServerThread server(echo);
  IoContext io;
  auto socket = testing::run(io, connect(io, server.ws_url("/")));
  auto drained = std::async(std::launch::async, [&] { server.drain(60s); });
  testing::run(io, [](WebSocket& socket) -> Awaitable<void> { EXPECT_FALSE(co_await socket.read()); }(*socket));
  EXPECT_EQ(socket->close_code(), 1001);
  drained.get();
  EXPECT_EQ(server.statistics().connections, 0u);
}

TEST(WebSocket, MayGoWithItsLoopInMidSentence) {
  auto io = std::make_unique<IoContext>();
  auto server = std::make_unique<Server>(*io, ServerLimits(), echo);
  const auto port = server->listen_tcp("127.0.0.1", 0);
  auto socket = testing::run(*io, connect(*io, "ws://127.0.0.1:" + std::to_string(port) + "/"));
  socket->close(1000, "too late");
  RawClient idle(port);
  io->poll();
  socket.reset();
  server.reset();
  io.reset();  // coroutines that still waited are destroyed where they stand
  EXPECT_EQ(idle.receive_all(), "");
}

TEST(WebSocket, OutlivesItsHandlerAndCountsUntilItIsGone) {
  std::unique_ptr<WebSocket> kept;
  ServerThread server([&](Exchange& exchange) -> Awaitable<void> { kept = co_await exchange.accept_websocket(); });
  IoContext io;
  testing::run(io, [](ServerThread& server, std::unique_ptr<WebSocket>& kept, IoContext& io) -> Awaitable<void> {
    auto socket = co_await connect(io, server.ws_url("/"));
    EXPECT_TRUE(server.wait_until([&](const auto& now) { return now.websockets == 1 && now.connections == 1; }));
    server.loop().await([](WebSocket& socket) -> Awaitable<bool> {
      co_await socket.write({true, "still here"});
      co_return true;
    }(*kept));
    EXPECT_EQ((co_await socket->read()).value().data, "still here");
    server.loop().call([&] { kept.reset(); });
    EXPECT_FALSE(co_await socket->read());
  }(server, kept, io));
  EXPECT_TRUE(server.wait_until([](const auto& now) { return now.connections == 0; }));
}

TEST(WebSocket, PingsAnIdlePeerAndDropsADeadOne) {
  ServerLimits limits;
  limits.websocket.ping_after = 500ms;  // whoever lives has three of them to show it, also on a busy machine
  std::atomic<int> ended{0};
  ServerThread server(
      [&](Exchange& exchange) -> Awaitable<void> {
        auto socket = co_await exchange.accept_websocket();
        while (co_await socket->read()) {
        }
        ++ended;
      },
      limits);
  // Alive: our client answers pings while it reads.
  IoContext io;
  auto alive = testing::run(io, connect(io, server.ws_url("/")));
  boost::asio::co_spawn(
      io.get_executor(), [](WebSocket& socket) -> Awaitable<void> { co_await socket.read(); }(*alive), [](auto) {});
  std::thread living([&] { io.run(); });
  // Dead: it shakes hands and never answers a ping.
  RawClient dead(server.port());
  dead.send(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  const std::string head = dead.receive_until("\r\n\r\n");
  EXPECT_NE(head.find("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), std::string::npos) << head;  // RFC 6455 section 1.3
  const std::string pings = dead.receive_all();
  EXPECT_EQ(pings.substr(0, 4), std::string("\x89\0\x89\0", 4));
  EXPECT_TRUE(server.wait_until([&](const auto& now) { return ended == 1 && now.websockets == 1; }));
  boost::asio::post(io, [&] { alive.reset(); });
  living.join();
}

TEST(WebSocket, DropsAPeerThatTakesNothing) {
  ServerLimits limits;
  limits.websocket.ping_after = 20ms;
  limits.websocket.write_stall = 100ms;
  std::atomic<bool> closed{false};
  ServerThread server(
      [&](Exchange& exchange) -> Awaitable<void> {
        auto socket = co_await exchange.accept_websocket();
        try {
          for (;;) co_await socket->write({false, std::string(10'000, 'x')});
        } catch (const base::Error& error) {
          closed = error.code() == "CONNECTION_CLOSED";
        }
      },
      limits);
  RawClient client(server.port());
  client.send(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  client.receive_until("\r\n\r\n");
  EXPECT_TRUE(server.wait_until([&](const auto& now) { return now.connections == 0 && closed; }));
}

TEST(WebSocket, ARefusedUpgradeTellsTheServersReason) {
  ServerThread server(echo);
  IoContext io;
  const auto error = refusal(io, server.ws_url("/forbidden"));
  EXPECT_EQ(error.code(), "FORBIDDEN");
  EXPECT_EQ(error.message(), "not you");
  EXPECT_EQ(error.error_class(), base::ErrorClass::user);
  EXPECT_EQ(error.details().at("status").as_int64(), 403);
}

TEST(WebSocket, ConnectingFailsClearly) {
  IoContext io;
  EXPECT_EQ(refusal(io, "http://localhost/").code(), "INVALID_URL");
  EXPECT_EQ(refusal(io, "ws://").code(), "INVALID_URL");
  EXPECT_EQ(refusal(io, "ws://h:99999/").code(), "INVALID_URL");
  EXPECT_EQ(refusal(io, "unix:relative:/").code(), "INVALID_URL");
  EXPECT_EQ(refusal(io, "unix:/nowhere/at-all.sock:/").code(), "CONNECTION_FAILED");
  const testing::RefusingPort nobody;
  EXPECT_EQ(refusal(io, "ws://127.0.0.1:" + nobody.str() + "/").code(), "CONNECTION_FAILED");
  // A server that says nothing.
  ServerThread silent([](Exchange&) -> Awaitable<void> {
    for (;;) co_await sleep_for(1h);
  });
  EXPECT_EQ(refusal(io, silent.ws_url("/"), 50ms).code(), "TIMEOUT");
}

TEST(WebSocket, AnOrdinaryRequestCannotBecomeOne) {
  ServerHooks hooks;
  hooks.on_error = [](const Request&, std::exception_ptr failure) {
    return Response{426, {}, base::as_error(failure).code()};
  };
  ServerThread server(echo, {}, hooks);
  RawClient client(server.port());
  client.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_TRUE(client.receive_answer().ends_with("UPGRADE_REQUIRED"));
  client.send(
      "GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_TRUE(client.receive_answer().ends_with("MALFORMED_REQUEST"));
}

}  // namespace
}  // namespace slipway::net
