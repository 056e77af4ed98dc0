#include "net/http_client.h"

#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>

#include "net/address_guard.h"
#include "net/sse.h"
#include "net/testing/loop.h"
#include "net/testing/raw_client.h"
#include "net/testing/tls_files.h"

namespace slipway::net {
namespace {

using namespace std::chrono_literals;
using testing::ServerThread;

Awaitable<void> serve(Exchange& exchange) {
  const Request& request = exchange.request();
  if (request.path == "/large") co_return co_await exchange.respond({200, {}, std::string(100'000, 'x')});
  if (request.path == "/busy")
    co_return co_await exchange.respond(
        {429, {{"Retry-After", "7"}}, R"({"error":{"code":"SLOW_DOWN","message":"later","details":{"n":1}}})"});
  if (request.path == "/redirect") co_return co_await exchange.respond({302, {{"Location", "/target"}}, ""});
  if (request.path == "/never") co_return co_await sleep_for(1h);
  if (request.path == "/events") {
    auto stream = co_await exchange.start_stream({200, {{"Content-Type", "text/event-stream"}}, ""});
    for (int i = 1; i <= 3; ++i) co_await stream->write(format_event({std::to_string(i), "", "tick"}));
    co_return co_await stream->finish();
  }
  Response response{201, {{"X-Answer", "yes"}}, ""};
  response.body = std::string(to_string(request.method)) + " " + request.path + " " + request.body + " " +
                  std::string(request.headers.get("X-Ask").value_or("-")) +
                  std::string(request.headers.get("Content-Type").value_or("-"));
  co_await exchange.respond(std::move(response));
}

ClientRequest get(const std::string& url) {
  ClientRequest request;
  request.url = url;
  request.direct = true;
  return request;
}

std::string failure_of(HttpClient& client, ClientRequest request) {
  try {
    client.fetch(std::move(request));
  } catch (const base::Error& error) {
    return error.code();
  }
  return "";
}

TEST(HttpClient, SendsWhatItIsToldAndGivesTheAnswer) {
  ServerThread server(serve);
  HttpClient client;
  ClientRequest request = get(server.url("/x"));
  request.method = Method::put;
  request.headers = {{"X-Ask", "1"}, {"Content-Type", "text/plain"}};
  request.body = "body";
  const auto response = client.fetch(request);
  EXPECT_EQ(response.status, 201);
  EXPECT_EQ(response.body, "PUT /x body 1text/plain");
  EXPECT_EQ(response.headers.get("x-answer"), "yes");
  for (const Method method : {Method::get, Method::post, Method::patch, Method::del, Method::options}) {
    ClientRequest plain = get(server.url("/x"));
    plain.method = method;
    EXPECT_EQ(client.fetch(plain).body, std::string(to_string(method)) + " /x  --");
  }
  ClientRequest head = get(server.url("/x"));
  head.method = Method::head;
  EXPECT_EQ(client.fetch(head).body, "");
}

TEST(HttpClient, ReusesItsConnection) {
  ServerThread server(serve);
  HttpClient client;
  for (int i = 0; i < 5; ++i) client.fetch(get(server.url("/x")));
  EXPECT_EQ(server.statistics().connections_total, 1u);
}

TEST(HttpClient, SpeaksOverAUnixSocket) {
  const std::string path = ::testing::TempDir() + "slipway-client-" + std::to_string(getpid()) + ".sock";
  ServerThread server(serve);
  server.loop().call([&] { server.server().listen_unix(path); });
  HttpClient client;
  ClientRequest request = get("http://localhost/u");
  request.unix_socket = path;
  EXPECT_EQ(client.fetch(request).body, "GET /u  --");
}

TEST(HttpClient, VerifiesTheServersCertificate) {
  const testing::TemporaryTls tls;
  ServerThread server(serve);
  const auto port = server.loop().call([&] { return server.server().listen_tcp("127.0.0.1", 0, tls.files()); });
  HttpClient client;
  ClientRequest request = get("https://localhost:" + std::to_string(port) + "/s");
  EXPECT_EQ(failure_of(client, request), "TLS_FAILED");
  request.ca_file = tls.files().certificate_chain;
  EXPECT_EQ(client.fetch(request).body, "GET /s  --");
}

TEST(HttpClient, FailsWithACodeForEachReason) {
  ServerThread server(serve);
  HttpClient client;
  ClientRequest slow = get(server.url("/never"));
  slow.timeout = 50ms;
  EXPECT_EQ(failure_of(client, slow), "TIMEOUT");
  ClientRequest large = get(server.url("/large"));
  large.body_limit = 1000;
  EXPECT_EQ(failure_of(client, large), "RESPONSE_TOO_LARGE");
  EXPECT_EQ(failure_of(client, get("file:///etc/passwd")), "INVALID_URL");
  EXPECT_EQ(failure_of(client, get("not an address")), "INVALID_URL");
  const testing::RefusingPort nobody;
  EXPECT_EQ(failure_of(client, get("http://127.0.0.1:" + nobody.str())), "CONNECTION_FAILED");
}

// Answers the first request of its life and ends the connection at each one after that, having read it.
class ForgetfulServer {
 public:
  ForgetfulServer() : acceptor_(io_, {boost::asio::ip::make_address("127.0.0.1"), 0}), thread_([this] { run(); }) {}
  ~ForgetfulServer() {
    ::shutdown(acceptor_.native_handle(), SHUT_RDWR);
    thread_.join();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/"; }
  int requests() const { return requests_; }

 private:
  void run() {
    boost::system::error_code failure;
    for (;;) {
      boost::asio::ip::tcp::socket socket(io_);
      acceptor_.accept(socket, failure);
      if (failure) return;
      std::string bytes;
      while (boost::asio::read_until(socket, boost::asio::dynamic_buffer(bytes), "END", failure) > 0 && !failure) {
        bytes.clear();
        if (++requests_ > 1) break;
        boost::asio::write(socket, boost::asio::buffer(std::string("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")),
                           failure);
      }
    }
  }

  boost::asio::io_context io_;
  boost::asio::ip::tcp::acceptor acceptor_;
  std::atomic<int> requests_ = 0;
  std::thread thread_;
};

TEST(HttpClient, WhatIsSentOnceIsNotSentAgainWhenAKeptConnectionEnds) {
  ForgetfulServer server;
  HttpClient client;
  ClientRequest request = get(server.url());
  request.method = Method::post;
  request.body = "an order END";
  request.send_once = true;
  EXPECT_EQ(client.fetch(request).status, 200);
  EXPECT_EQ(failure_of(client, request), "CONNECTION_CLOSED");
  EXPECT_EQ(server.requests(), 2);
}

TEST(HttpClient, EndsAFetchWhenItIsTold) {
  ServerThread server(serve);
  HttpClient client;
  std::stop_source stop;
  std::thread stopper([&] {
    server.wait_until([](const auto& statistics) { return statistics.connections_total > 0; });
    stop.request_stop();
  });
  try {
    client.fetch(get(server.url("/never")), stop.get_token());
    ADD_FAILURE() << "the fetch ended without an answer";
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "CANCELLED");
  }
  stopper.join();
}

TEST(HttpClient, FollowsRedirectsOnlyWhenAsked) {
  ServerThread server(serve);
  HttpClient client;
  ClientRequest request = get(server.url("/redirect"));
  EXPECT_EQ(client.fetch(request).status, 302);
  request.follow_redirects = true;
  const auto response = client.fetch(request);
  EXPECT_EQ(response.body, "GET /target  --");
  EXPECT_FALSE(response.headers.get("Location"));  // the last answer's headers only
}

TEST(HttpClient, ReadsOnlyAsMuchAsItIsTold) {
  ServerThread server(serve);
  HttpClient client;
  ClientRequest request = get(server.url("/large"));
  request.body_limit = 1'000;
  request.truncate_body = true;
  const auto response = client.fetch(request);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(response.body, std::string(1'000, 'x'));
}

// WF-45: checked after the name was resolved
TEST(HttpClient, TheGuardJudgesTheAddressAndNotTheName) {
  ServerThread server(serve);
  HttpClient client;
  for (const std::string host : {"127.0.0.1", "localhost", "0x7f.1", "[::1]", "[::ffff:127.0.0.1]"}) {
    ClientRequest request = get("http://" + host + ":" + std::to_string(server.port()) + "/x");
    request.guard = std::make_shared<const AddressGuard>();
    EXPECT_EQ(failure_of(client, request), "ADDRESS_REFUSED") << host;
  }
  EXPECT_EQ(server.statistics().connections_total, 0u);
  ClientRequest request = get("http://localhost:" + std::to_string(server.port()) + "/x");
  request.guard = std::make_shared<const AddressGuard>(Reach::with_private);
  EXPECT_EQ(client.fetch(request).status, 201);
}

TEST(HttpClient, HandsOnAStreamAsItComes) {
  ServerThread server(serve);
  HttpClient client;
  std::vector<std::string> ids;
  EventParser parser([&](ServerSentEvent event) { ids.push_back(event.id); });
  ClientRequest request = get(server.url("/events"));
  request.on_data = [&](std::string_view bytes) {
    parser.feed(bytes);
    return true;
  };
  EXPECT_EQ(client.fetch(request).body, "");
  EXPECT_EQ(ids, (std::vector<std::string>{"1", "2", "3"}));
  request.on_data = [](std::string_view) { return false; };
  EXPECT_EQ(failure_of(client, request), "CANCELLED");
}

TEST(HttpClient, CancelsOneRequestAndAllAtItsEnd) {
  ServerThread server(serve);
  std::promise<std::string> cancelled, ended;
  const auto tell = [](std::promise<std::string>& promise) {
    return [&promise](ClientOutcome outcome) { promise.set_value(outcome ? "answered" : outcome.error().code()); };
  };
  {
    HttpClient client;
    client.send(get(server.url("/never")), tell(ended));
    client.cancel(client.send(get(server.url("/never")), tell(cancelled)));
    EXPECT_EQ(cancelled.get_future().get(), "CANCELLED");
    client.cancel(4711);
  }
  EXPECT_EQ(ended.get_future().get(), "CANCELLED");
}

TEST(HttpClient, CanBeAwaited) {
  ServerThread server(serve);
  IoContext io;  // outlives the client, whose thread may still be in its answer
  HttpClient client;
  EXPECT_EQ(testing::run(io, client.fetch(io, get(server.url("/a")))).body, "GET /a  --");
  EXPECT_THROW(testing::run(io, client.fetch(io, get("gopher://x"))), base::Error);
}

TEST(HttpClient, ManyRequestsAtOnceShareFewConnections) {
  ServerThread server(serve);
  HttpClient client({.connections_per_host = 4});
  std::atomic<int> answered{0};
  std::promise<void> all;
  for (int i = 0; i < 200; ++i)
    client.send(get(server.url("/x")), [&](ClientOutcome outcome) {
      EXPECT_TRUE(outcome.has_value());
      if (++answered == 200) all.set_value();
    });
  all.get_future().get();
  EXPECT_LE(server.statistics().connections_total, 4u);
}

TEST(HttpClient, StatusesBecomeErrorsWithTheirClass) {
  ServerThread server(serve);
  HttpClient client;
  try {
    throw_for_status(client.fetch(get(server.url("/busy"))));
    FAIL();
  } catch (const base::Error& error) {
    EXPECT_EQ(error.error_class(), base::ErrorClass::throttled);
    EXPECT_EQ(error.code(), "SLOW_DOWN");
    EXPECT_EQ(error.retry_after(), 7s);
    EXPECT_EQ(error.details().at("details").at("n").as_int64(), 1);
  }
  const auto class_of = [](int status) {
    try {
      throw_for_status({status, {}, "not json"});
    } catch (const base::Error& error) {
      return error.error_class();
    }
    return base::ErrorClass::internal;
  };
  EXPECT_EQ(class_of(409), base::ErrorClass::conflict);
  EXPECT_EQ(class_of(404), base::ErrorClass::user);
  EXPECT_EQ(class_of(503), base::ErrorClass::transient);
  EXPECT_NO_THROW(throw_for_status({204, {}, ""}));
}

}  // namespace
}  // namespace slipway::net
