// Mail against a server that is not ours, with STARTTLS, AUTH and faults (WP-8, WP-15, WP-21).

#include "notify/mail.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <future>

#include "net/testing/raw_client.h"
#include "notify/testing/mailbox.h"
#include "store/testing/temporary_database.h"

namespace slipway::notify {
namespace {

namespace fs = std::filesystem;
using base::ErrorClass;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::Mailbox;
using ::testing::Not;
using namespace std::chrono_literals;

const base::SystemClock kClock;

Mail hello() {
  return {.to = "jane@example.com",
          .subject = "Hello",
          .html = "<p>Hello</p>\n",
          .text = "Hello\n",
          .message_id = "run_01@hub.example"};
}

MailSettings settings_for(const Mailbox& mailbox) {
  return {.url = mailbox.url(), .ca_file = mailbox.ca_file(), .timeout = 20s};
}

void send(const MailSettings& settings, const Mail& mail = hello(), std::stop_token stop = {}) {
  make_mail_sender(settings, kClock)->send(mail, std::move(stop));
}

base::Error failure_of(const MailSettings& settings, const Mail& mail = hello(), std::stop_token stop = {}) {
  try {
    send(settings, mail, std::move(stop));
  } catch (const base::Error& error) {
    return error;
  }
  return base::internal_error("it was sent");
}

void expect_failure(const MailSettings& settings, ErrorClass error_class, const std::string& code) {
  const auto failure = failure_of(settings);
  EXPECT_EQ(failure.code(), code) << failure.message();
  EXPECT_EQ(failure.error_class(), error_class) << failure.message();
}

TEST(Mail, ArrivesAsItWasMeant) {
  Mailbox mailbox;
  auto mail = hello();
  mail.subject = "Grüße an Zoë, 日本語, and a subject that is longer than a line can be in any mail of the world";
  mail.text =
      "a line\n.\n..dots\n.leading dot\nFrom here\ntrailing blank \nümlaut = 100%\n" + std::string(2'000, 'x') + "\n";
  mail.html = "<p>日本語 &amp; more</p>\n.\n";
  mail.headers = {{"X-Run", "run_01"}};
  auto settings = settings_for(mailbox);
  settings.sender_name = "Wörkstations";
  send(settings, mail);
  const auto received = mailbox.next();
  EXPECT_EQ(received.sender, "noreply@coditect.ai");
  EXPECT_THAT(received.recipients, ElementsAre("jane@example.com"));
  EXPECT_EQ(received.headers.at("Subject"), mail.subject);
  EXPECT_EQ(received.headers.at("From"), "Wörkstations <noreply@coditect.ai>");
  EXPECT_EQ(received.headers.at("Message-ID"), "<run_01@hub.example>");
  EXPECT_EQ(received.headers.at("X-Run"), "run_01");
  EXPECT_EQ(received.type, "multipart/alternative");
  EXPECT_EQ(received.text, mail.text);
  EXPECT_EQ(received.html, mail.html);
  EXPECT_THAT(received.defects, IsEmpty());
}

TEST(Mail, GoesOverStartTlsWithALogin) {
  Mailbox mailbox({"--tls", "starttls", "--user", "hub:päss word"});
  auto settings = settings_for(mailbox);
  settings.starttls = StartTls::required;
  settings.username = "hub";
  settings.password = base::Secret("päss word");
  send(settings);
  EXPECT_EQ(mailbox.next().text, "Hello\n");
}

TEST(Mail, GoesOverImplicitTls) {
  Mailbox mailbox({"--tls", "implicit"});
  send(settings_for(mailbox));
  EXPECT_EQ(mailbox.next().text, "Hello\n");
}

TEST(Mail, AServerWithoutStartTlsGetsNothing) {
  Mailbox mailbox;
  auto settings = settings_for(mailbox);
  settings.starttls = StartTls::required;
  expect_failure(settings, ErrorClass::internal, "MAIL_NO_STARTTLS");
}

TEST(Mail, ACertificateThatIsNotTrustedIsRefused) {
  Mailbox mailbox({"--tls", "starttls"});
  auto settings = settings_for(mailbox);
  settings.starttls = StartTls::required;
  settings.ca_file.clear();
  expect_failure(settings, ErrorClass::internal, "MAIL_TLS_FAILED");
}

TEST(Mail, ACertificateOfAnotherHostIsRefused) {
  Mailbox mailbox({"--tls", "implicit", "--certificate-for", "mail.example.com"});
  expect_failure(settings_for(mailbox), ErrorClass::internal, "MAIL_TLS_FAILED");
}

TEST(Mail, AWrongPasswordIsForAPersonToMend) {
  Mailbox mailbox({"--tls", "starttls", "--user", "hub:right"});
  auto settings = settings_for(mailbox);
  settings.starttls = StartTls::required;
  settings.username = "hub";
  settings.password = base::Secret("s3cret-but-wrong");
  const auto failure = failure_of(settings);
  EXPECT_EQ(failure.code(), "MAIL_AUTH_FAILED") << failure.message();
  EXPECT_EQ(failure.error_class(), ErrorClass::internal);
  EXPECT_THAT(failure.message(), Not(HasSubstr("s3cret")));
  EXPECT_THAT(json::print_value(failure.details()), Not(HasSubstr("s3cret")));
}

TEST(Mail, ALoginThatFailsForTheMomentIsTriedAgain) {
  Mailbox mailbox({"--tls", "starttls", "--user", "hub:right", "--fault", "454@auth"});
  auto settings = settings_for(mailbox);
  settings.starttls = StartTls::required;
  settings.username = "hub";
  settings.password = base::Secret("right");
  expect_failure(settings, ErrorClass::transient, "MAIL_DEFERRED");
  send(settings);
  EXPECT_EQ(mailbox.next().text, "Hello\n");
}

// What the server says decides, wherever it says it.
struct Refused {
  const char* fault;
  ErrorClass error_class;
  const char* code;
  std::int64_t status;
};
class MailRefused : public ::testing::TestWithParam<Refused> {};
INSTANTIATE_TEST_SUITE_P(AtEachStage, MailRefused,
                         ::testing::Values(Refused{"451@rcpt", ErrorClass::transient, "MAIL_DEFERRED",
                                                   451},  // greylisting
                                           Refused{"452@data", ErrorClass::transient, "MAIL_DEFERRED", 452},
                                           Refused{"421@mail", ErrorClass::transient, "MAIL_DEFERRED", 421},
                                           Refused{"421@connect", ErrorClass::transient, "MAIL_DEFERRED", 421},
                                           Refused{"550@rcpt", ErrorClass::user, "MAIL_REFUSED", 550},
                                           Refused{"554@data", ErrorClass::user, "MAIL_REFUSED", 554},
                                           Refused{"553@mail", ErrorClass::internal, "MAIL_SENDER_REFUSED", 553},
                                           Refused{"554@connect", ErrorClass::internal, "MAIL_SENDER_REFUSED", 554}),
                         [](const auto& info) {
                           std::string name = info.param.fault;
                           name[name.find('@')] = 'A';
                           return "Status" + name;
                         });

TEST_P(MailRefused, SaysWhatFollowsFromIt) {
  Mailbox mailbox({"--fault", GetParam().fault});
  const auto failure = failure_of(settings_for(mailbox));
  EXPECT_EQ(failure.code(), GetParam().code) << failure.message();
  EXPECT_EQ(failure.error_class(), GetParam().error_class) << failure.message();
  EXPECT_EQ(failure.details().at("smtpStatus").as_int64(), GetParam().status);
  EXPECT_THAT(failure.message(), HasSubstr("as the test wants it"));
  send(settings_for(mailbox));
  EXPECT_EQ(mailbox.next().text, "Hello\n");
}

TEST(Mail, AConnectionCutInTheMiddleIsTriedAgain) {
  Mailbox mailbox({"--fault", "cut-in-data"});
  expect_failure(settings_for(mailbox), ErrorClass::transient, "MAIL_SERVER_UNAVAILABLE");
}

TEST(Mail, WhatWasTakenButNotAcknowledgedComesAgainUnderTheSameId) {
  Mailbox mailbox({"--fault", "cut-after-data"});
  expect_failure(settings_for(mailbox), ErrorClass::transient, "MAIL_SERVER_UNAVAILABLE");
  send(settings_for(mailbox));
  const auto first = mailbox.next().headers.at("Message-ID");
  EXPECT_EQ(mailbox.next().headers.at("Message-ID"), first);
}

TEST(Mail, AServerThatSaysNothingIsGivenUp) {
  Mailbox mailbox({"--fault", "hang"});
  auto settings = settings_for(mailbox);
  settings.timeout = 300ms;
  expect_failure(settings, ErrorClass::transient, "MAIL_TIMEOUT");
}

TEST(Mail, WhoIsToldToStopDoesNotWaitForTheServer) {
  Mailbox mailbox({"--fault", "hang"});
  std::stop_source stop;
  auto failed =
      std::async(std::launch::async, [&] { return failure_of(settings_for(mailbox), hello(), stop.get_token()); });
  stop.request_stop();
  const auto failure = failed.get();
  EXPECT_EQ(failure.code(), "INTERRUPTED") << failure.message();
  EXPECT_EQ(failure.error_class(), ErrorClass::transient);
}

TEST(Mail, AServerThatIsNotThereIsTriedAgain) {
  const net::testing::RefusingPort nobody;
  expect_failure({.url = "smtp://127.0.0.1:" + nobody.str()}, ErrorClass::transient, "MAIL_SERVER_UNAVAILABLE");
}

TEST(Mail, AnAddressThatCannotBeIsNotEvenTried) {
  Mailbox mailbox;
  auto mail = hello();
  mail.to = "jane@bücher.example";
  EXPECT_EQ(failure_of(settings_for(mailbox), mail).code(), "VALIDATION_ERROR");
}

TEST(Mail, IntoAFolderIsOneFileForEachId) {
  const store::testing::TemporaryFolder folder;
  const MailSettings settings{.url = "folder:" + (folder.path() / "mails").string()};
  send(settings);
  send(settings);
  auto other = hello();
  other.message_id = "run/02";
  EXPECT_NO_THROW(send(settings, other));
  std::vector<std::string> names;
  for (const auto& file : fs::directory_iterator(folder.path() / "mails")) names.push_back(file.path().filename());
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("run_01@hub.example.eml", "run_02@coditect.ai.eml"));
  std::ifstream in(folder.path() / "mails" / "run_01@hub.example.eml");
  const std::string text(std::istreambuf_iterator<char>(in), {});
  EXPECT_THAT(text, HasSubstr("To: <jane@example.com>\r\n"));
}

std::string setting_refused(const MailSettings& settings) {
  try {
    validate(settings);
  } catch (const base::Error& error) {
    return std::string(error.details().at("field").as_string());
  }
  return "";
}

TEST(MailSettings, SayWhatIsWrongWithThem) {
  EXPECT_EQ(setting_refused({.url = "smtp://mail.example.com:587"}), "");
  EXPECT_EQ(setting_refused({.url = "smtps://mail.example.com"}), "");
  EXPECT_EQ(setting_refused({.url = "folder:/tmp/mails"}), "");
  EXPECT_EQ(setting_refused({.url = "folder:"}), "url");
  EXPECT_EQ(setting_refused({.url = "http://mail.example.com"}), "url");
  EXPECT_EQ(setting_refused({.url = "smtp://user:pass@mail.example.com"}), "url");
  EXPECT_EQ(setting_refused({.url = "smtp://m.example", .sender = "nobody"}), "sender");
  EXPECT_EQ(setting_refused({.url = "smtp://m.example", .sender_name = "a\r\nBcc: b"}), "sender_name");
  EXPECT_EQ(setting_refused({.url = "smtp://m.example", .reply_to = "x"}), "reply_to");
  EXPECT_EQ(setting_refused({.url = "smtp://m.example", .username = "hub"}), "password");
}

TEST(MailSettings, ClearTextIsForLoopbackAlone) {
  EXPECT_EQ(setting_refused({.url = "smtp://mail.example.com", .starttls = StartTls::off}), "starttls");
  EXPECT_EQ(setting_refused({.url = "smtp://10.0.0.1", .starttls = StartTls::off}), "starttls");
  for (const char* url : {"smtp://127.0.0.1:25", "smtp://localhost", "smtp://[::1]:25"})
    EXPECT_EQ(setting_refused({.url = url, .starttls = StartTls::off}), "") << url;
}

}  // namespace
}  // namespace slipway::notify
