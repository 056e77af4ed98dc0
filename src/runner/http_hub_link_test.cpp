// The link against a real server that a test plays.

#include "runner/http_hub_link.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <mutex>

#include "base/digest.h"
#include "net/event_loop.h"
#include "net/testing/loop.h"

namespace slipway::runner {
namespace {

using base::Error;
using base::ErrorClass;

class ALink : public ::testing::Test {
 protected:
  ALink() {
    std::string pattern = std::filesystem::temp_directory_path() / "hub-link-XXXXXX";
    folder_ = ::mkdtemp(pattern.data());
  }
  ~ALink() override { std::filesystem::remove_all(folder_); }

  // Makes a call on the loop, and waits for its answer.
  template <class T, class Call>
  std::expected<T, Error> await(Call call) {
    std::promise<std::expected<T, Error>> promise;
    auto future = promise.get_future();
    loop_.post(
        [&] { call(Reply<T>([&promise](std::expected<T, Error> answer) { promise.set_value(std::move(answer)); })); });
    return future.get();
  }

  void answer(int status, std::string body) {
    const std::lock_guard lock(mutex_);
    status_ = status;
    body_ = std::move(body);
  }
  void answer_data(const json::Value& data) {
    answer(200, json::print_value(json::Object{{"success", true}, {"data", data}}));
  }
  net::Request request() {
    const std::lock_guard lock(mutex_);
    return request_;
  }
  std::string content(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }

  net::Awaitable<void> handle(net::Exchange& exchange) {
    net::Response response;
    {
      const std::lock_guard lock(mutex_);
      request_ = exchange.request();
      response = net::Response{.status = status_, .body = body_};
    }
    co_await exchange.respond(std::move(response));
  }

  std::string folder_;
  std::mutex mutex_;
  int status_ = 200;
  std::string body_;
  net::Request request_;
  base::SystemClock clock_;
  net::testing::ServerThread server_{[this](net::Exchange& exchange) { return handle(exchange); }};
  net::testing::LoopThread thread_;
  net::AsioLoop loop_{thread_.io(), clock_};
  net::WorkerPool workers_{1};
  HttpHubLink link_{{.url = server_.url("/"), .key = base::Secret("sld_test"), .user_agent = "test"}, loop_, workers_};
};

TEST_F(ALink, CallsCarryTheKeyAndSpeakJson) {
  answer_data(json::to_value(fleet::JobUpdated{.cancelled = true, .next_log = 7}));
  const auto answer = await<fleet::JobUpdated>([&](auto reply) {
    link_.update("job_1", {.fence = 3, .first_log = 6, .logs = {{.output = "line"}}}, std::chrono::seconds(5),
                 std::move(reply));
  });
  ASSERT_TRUE(answer);
  EXPECT_TRUE(answer->cancelled);
  EXPECT_EQ(answer->next_log, 7);
  EXPECT_EQ(request().path, "/v1/daemon/jobs/job_1/update");
  EXPECT_EQ(request().headers.get("Authorization"), "Bearer sld_test");
  EXPECT_EQ(json::parse<fleet::JobUpdate>(request().body).logs.at(0).output, "line");
}

TEST_F(ALink, WhatTheHubRefusesKeepsItsCode) {
  answer(409, R"({"success":false,"error":{"code":"JOB_LEASE_LOST","message":"not yours"}})");
  const auto answer = await<fleet::JobEnded>([&](auto reply) { link_.complete("job_1", {}, std::move(reply)); });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), "JOB_LEASE_LOST");
}

TEST_F(ALink, AProxysWordsAreNoAnswerOfAHub) {
  answer(200, R"({"ok":true})");
  const auto odd = await<fleet::JobEnded>([&](auto reply) { link_.complete("job_1", {}, std::move(reply)); });
  EXPECT_EQ(odd.error().code(), "NO_HUB_ANSWER");
  EXPECT_EQ(odd.error().error_class(), ErrorClass::transient);
  answer(502, "<html>bad gateway</html>");
  const auto bad = await<fleet::JobEnded>([&](auto reply) { link_.complete("job_1", {}, std::move(reply)); });
  EXPECT_EQ(bad.error().error_class(), ErrorClass::transient);
  answer(403, "");
  const auto forbidden = await<fleet::JobEnded>([&](auto reply) { link_.complete("job_1", {}, std::move(reply)); });
  EXPECT_EQ(forbidden.error().code(), "FORBIDDEN");
}

// RUN-1
TEST_F(ALink, AJobOfAnUnknownTypeIsNamedSoThatItCanBeRefused) {
  auto job = json::to_value(fleet::AcquiredJob{.id = "job_9", .fence = 4}).as_object();
  job["type"] = "template_audit";
  answer_data(json::Object{{"job", job}});
  const auto answer = await<fleet::JobAcquired>([&](auto reply) { link_.acquire({.wait_ms = {}}, std::move(reply)); });
  ASSERT_FALSE(answer);
  EXPECT_EQ(answer.error().code(), "JOB_NOT_UNDERSTOOD");
  EXPECT_EQ(answer.error().details().at("job").as_string(), "job_9");
  EXPECT_EQ(answer.error().details().at("fence").to_number<int>(), 4);
}

TEST_F(ALink, BlobsAreWrittenAsTheyComeAndChecked) {
  const std::string bytes(200'000, '\xfe');
  answer(200, bytes);
  const auto file = folder_ + "/archive";
  EXPECT_TRUE(await<void>([&](auto reply) { link_.get_blob(base::sha256_hex(bytes), file, std::move(reply)); }));
  EXPECT_EQ(content(file), bytes);
  EXPECT_EQ(request().path, "/v1/blobs/" + base::sha256_hex(bytes));
  const auto damaged =
      await<void>([&](auto reply) { link_.get_blob(base::sha256_hex("other"), file, std::move(reply)); });
  EXPECT_EQ(damaged.error().code(), "BLOB_DAMAGED");
  answer(404, R"({"success":false,"error":{"code":"NOT_FOUND","message":"no such blob"}})");
  const auto missing = await<void>([&](auto reply) { link_.get_blob("00", file, std::move(reply)); });
  EXPECT_EQ(missing.error().code(), "NOT_FOUND");
}

TEST_F(ALink, StatesGoUpWithTheFence) {
  std::ofstream(folder_ + "/state") << "the state";
  answer_data(json::Object{{"sha256", "abc"}, {"serial", 7}});
  const auto answer =
      await<std::string>([&](auto reply) { link_.put_state("job_1", 3, folder_ + "/state", std::move(reply)); });
  EXPECT_EQ(answer, "abc");
  EXPECT_EQ(request().target, "/v1/daemon/jobs/job_1/state?fence=3");
  EXPECT_EQ(request().method, net::Method::put);
  EXPECT_EQ(request().body, "the state");
  EXPECT_EQ(link_.state_address("job_1"), server_.url("/v1/terraform/jobs/job_1/state"));
}

TEST(HttpHubLink, RefusesWhatIsNoAddressOfAHub) {
  base::SystemClock clock;
  net::IoContext io;
  net::AsioLoop loop(io, clock);
  net::WorkerPool workers(1);
  for (const auto* url : {"", "hub.example.com", "ftp://hub"})
    EXPECT_THROW(HttpHubLink({.url = url}, loop, workers), Error) << url;
}

}  // namespace
}  // namespace slipway::runner
