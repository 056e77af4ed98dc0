#include "provisioner/blocking_session.h"

#include <gtest/gtest.h>

#include <future>

#include "provisioner/testing/session_recorder.h"

namespace slipway::provisioner {
namespace {

// Does what the test says.
class ScriptedWork final : public SessionWork {
 public:
  using Body = std::function<void(Work&)>;
  explicit ScriptedWork(Body body) : body_(std::move(body)) {}
  void configure(const Config&) override {}
  ParseComplete parse(Work& work) override { return body_(work), ParseComplete{}; }
  PlanComplete plan(const Plan&, Work& work) override { return body_(work), PlanComplete{}; }
  ApplyComplete apply(Work& work) override { return body_(work), ApplyComplete{}; }

 private:
  Body body_;
};

struct Fixture {
  explicit Fixture(ScriptedWork::Body body)
      : session(
            Hello{.provisioner = "test"}, [body] { return std::make_unique<ScriptedWork>(body); }, recorder.events()) {
    session.send(Config{.directory = "."});
  }
  SessionRecorder recorder;
  BlockingSession session;
};

void wait(const std::stop_token& token) {
  std::promise<void> stopped;
  const std::stop_callback callback(token, [&] { stopped.set_value(); });
  stopped.get_future().wait();
}

TEST(BlockingSession, AnswersEachRequestWithItsLogAndOneCompletion) {
  Fixture fixture([](Work& work) {
    work.log(fleet::LogLevel::info, "seen");
    work.log(fleet::LogLevel::debug, "not wanted");
  });
  EXPECT_EQ(fixture.recorder.wait_for<Hello>().provisioner, "test");
  fixture.session.send(Parse{});
  EXPECT_FALSE(fixture.recorder.wait_for<ParseComplete>().error);
  fixture.session.send(Plan{});
  fixture.recorder.wait_for<PlanComplete>();
  fixture.session.close(false);
  EXPECT_FALSE(fixture.recorder.wait_until_closed());
  EXPECT_EQ(fixture.recorder.lines(), (std::vector<std::string>{"seen", "seen"}));
}

// RUN-10: one bad byte of a program's is no reason to lose a line, or a job.
TEST(BlockingSession, LogLinesAreLinesOfText) {
  Fixture fixture([](Work& work) { work.log(fleet::LogLevel::info, "caf\xE9\nsecond\r\n"); });
  fixture.session.send(Parse{});
  fixture.recorder.wait_for<ParseComplete>();
  EXPECT_EQ(fixture.recorder.lines(), (std::vector<std::string>{"caf\xEF\xBF\xBD", "second"}));
}

TEST(BlockingSession, WhatIsThrownIsTheProblemWithItsCodeAndClass) {
  Fixture fixture([](Work&) { throw base::Error(base::ErrorClass::quota, "NO_ROOM", "there is no room"); });
  fixture.session.send(Plan{});
  const auto problem = fixture.recorder.wait_for<PlanComplete>().error;
  ASSERT_TRUE(problem);
  EXPECT_EQ(problem->code, "NO_ROOM");
  EXPECT_EQ(problem->error_class, base::ErrorClass::quota);
}

TEST(BlockingSession, CancelReachesTheRequestUnderWayAndNotTheNext) {
  std::atomic<int> calls = 0;
  Fixture fixture([&](Work& work) {
    if (++calls == 1) wait(work.cancelled());
    EXPECT_EQ(work.cancelled().stop_requested(), calls == 1);
    EXPECT_FALSE(work.killed().stop_requested());
  });
  fixture.session.send(Parse{});
  fixture.session.send(Cancel{});
  fixture.recorder.wait_for<ParseComplete>();
  fixture.session.send(Cancel{});
  fixture.session.send(Plan{});
  fixture.recorder.wait_for<PlanComplete>();
}

TEST(BlockingSession, WhatDoesNotFitTheOrderEndsIt) {
  Fixture fixture([](Work& work) { wait(work.cancelled()); });
  fixture.session.send(Parse{});
  fixture.session.send(Plan{});
  EXPECT_EQ(fixture.recorder.error_code(), "PROTOCOL_ERROR");
}

TEST(BlockingSession, ClosedGentlyItStillAnswers) {
  Fixture fixture([](Work& work) { wait(work.cancelled()); });
  fixture.session.send(Parse{});
  fixture.session.close(false);
  fixture.recorder.wait_for<ParseComplete>();
  EXPECT_FALSE(fixture.recorder.wait_until_closed());
}

TEST(BlockingSession, ForcedItSaysNothingButThatItIsClosed) {
  Fixture fixture([](Work& work) {
    wait(work.killed());
    work.log(fleet::LogLevel::error, "too late");
  });
  fixture.session.send(Parse{});
  fixture.session.close(false);
  fixture.session.close(true);
  EXPECT_FALSE(fixture.recorder.wait_until_closed());
  EXPECT_TRUE(fixture.recorder.lines().empty());
}

TEST(BlockingSession, DestroyedWithinARequestItEndsIt) {
  SessionRecorder recorder;
  {
    BlockingSession session(
        Hello{}, [] { return std::make_unique<ScriptedWork>([](Work& work) { wait(work.killed()); }); },
        recorder.events());
    session.send(Config{.directory = "."});
    session.send(Parse{});
  }
  EXPECT_FALSE(recorder.wait_until_closed());
}

TEST(BlockingSession, MayBeDestroyedByItsLastEvent) {
  std::promise<void> asked, gone;
  std::unique_ptr<BlockingSession> session;
  SessionEvents events{.on_message = [](Message) {},
                       .on_closed =
                           [&](std::optional<base::Error>) {
                             asked.get_future().wait();
                             session.reset();
                             gone.set_value();
                           }};
  session = std::make_unique<BlockingSession>(
      Hello{}, [] { return std::make_unique<ScriptedWork>([](Work&) {}); }, std::move(events));
  session->close(false);
  asked.set_value();
  gone.get_future().wait();
}

class Applying final : public SessionWork {
 public:
  Applying(const std::atomic<bool>& kept, std::atomic<bool>& too_early) : kept_(kept), too_early_(too_early) {}
  void configure(const Config&) override {}
  ParseComplete parse(Work&) override { return {}; }
  PlanComplete plan(const Plan&, Work&) override { return {}; }
  ApplyComplete apply(Work& work) override {
    work.state_written("/state");
    too_early_ = !kept_;
    return {};
  }

 private:
  const std::atomic<bool>& kept_;
  std::atomic<bool>& too_early_;
};

// RUN-12: what the state announces is made only once it is kept.
TEST(BlockingSession, StateWrittenComesBackWhenTheReaderResumes) {
  SessionRecorder recorder;
  std::atomic<bool> kept = false, too_early = false;
  std::unique_ptr<BlockingSession> session;
  recorder.on_message = [&](const Message& message) {
    if (std::holds_alternative<StateWritten>(message)) session->pause(true);
  };
  session = std::make_unique<BlockingSession>(
      Hello{}, [&] { return std::make_unique<Applying>(kept, too_early); }, recorder.events());
  session->send(Config{.directory = "."});
  session->send(Plan{});
  recorder.wait_for<PlanComplete>();
  session->send(Apply{});
  EXPECT_EQ(recorder.wait_for<StateWritten>().file, "/state");
  kept = true;
  session->pause(false);
  recorder.wait_for<ApplyComplete>();
  EXPECT_FALSE(too_early);
}

TEST(BlockingSession, BrokenByItsWorkItEndsWithThatError) {
  Fixture fixture([](Work&) { throw SessionBroken{base::internal_error("its process is gone")}; });
  fixture.session.send(Parse{});
  EXPECT_EQ(fixture.recorder.error_code(), "INTERNAL_ERROR");
}

TEST(BlockingSession, AFailedConfigurationIsTheAnswerToEveryRequest) {
  class Unconfigurable final : public SessionWork {
   public:
    void configure(const Config&) override { throw base::Error(base::ErrorClass::user, "SCRIPT_INVALID", "no"); }
    ParseComplete parse(Work&) override { return {}; }
    PlanComplete plan(const Plan&, Work&) override { return {}; }
    ApplyComplete apply(Work&) override { return {}; }
  };
  SessionRecorder recorder;
  BlockingSession session(Hello{}, [] { return std::make_unique<Unconfigurable>(); }, recorder.events());
  session.send(Config{.directory = "."});
  session.send(Parse{});
  EXPECT_EQ(recorder.wait_for<ParseComplete>().error->code, "SCRIPT_INVALID");
}

}  // namespace
}  // namespace slipway::provisioner
