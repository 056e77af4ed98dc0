// The text of mails. That others read it as it was meant is shown in mail_test.cpp, by Python's parser.

#include "notify/mail_message.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::notify {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

const base::Instant kNow = *base::parse_rfc3339("2026-03-05T09:07:00Z");

Mail hello() {
  return {
      .to = "jane@example.com", .subject = "Hello", .html = "<p>Hello</p>", .text = "Hello", .message_id = "run_01"};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = text.find("\r\n", begin);
    lines.push_back(text.substr(begin, end - begin));
    begin = end == std::string::npos ? text.size() : end + 2;
  }
  return lines;
}

std::string field_refused(const Mail& mail, const MailSettings& settings = {}) {
  try {
    compose_mail(settings, mail, kNow);
  } catch (const base::Error& error) {
    EXPECT_EQ(error.code(), "VALIDATION_ERROR");
    return std::string(error.details().at("field").as_string());
  }
  return "";
}

TEST(MailMessage, HasTheHeadersOfAMail) {
  const auto text = compose_mail({.sender_name = "Work \"stations\"", .reply_to = "help@example.com"}, hello(), kNow);
  EXPECT_THAT(text, StartsWith("Date: Thu, 05 Mar 2026 09:07:00 +0000\r\n"
                               "From: \"Work \\\"stations\\\"\" <noreply@coditect.ai>\r\n"
                               "To: <jane@example.com>\r\n"
                               "Reply-To: <help@example.com>\r\n"
                               "Subject: Hello\r\n"
                               "Message-ID: <run_01@coditect.ai>\r\n"
                               "Auto-Submitted: auto-generated\r\n"
                               "MIME-Version: 1.0\r\n"
                               "Content-Type: multipart/alternative;\r\n boundary="));
}

TEST(MailMessage, IsTheSameForTheSameMailAndTime) {
  EXPECT_EQ(compose_mail({}, hello(), kNow), compose_mail({}, hello(), kNow));
}

TEST(MailMessage, EveryLineEndsProperlyAndFitsTheLimits) {
  auto mail = hello();
  mail.subject = std::string(2'000, 'x') + "ü" + std::string(500, ' ');
  mail.text = std::string(5'000, 'y') + "\n.\n..\nend \n\t";
  mail.html = "<p>" + std::string(3'000, '=') + "</p>";
  const auto text = compose_mail({.sender_name = std::string(300, 'n') + "é"}, mail, kNow);
  for (const auto& line : lines_of(text)) {
    EXPECT_LE(line.size(), 78U) << line;
    EXPECT_THAT(line, Not(HasSubstr("\n")));
  }
}

TEST(MailMessage, NothingFromElsewhereCanAddAHeader) {
  for (const char* evil : {"jane@example.com\r\nBcc: all@example.com", "jane@example.com\nX: y", "a@b.com>\r\nDATA"}) {
    auto mail = hello();
    mail.to = evil;
    EXPECT_EQ(field_refused(mail), "to");
    mail = hello();
    mail.subject = std::string("Hello\r\n") + evil;
    EXPECT_EQ(field_refused(mail), "subject");
    mail = hello();
    mail.message_id = evil;
    EXPECT_EQ(field_refused(mail), "message_id");
    mail = hello();
    mail.headers = {{"X-Run", evil}};
    EXPECT_EQ(field_refused(mail), evil[0] == 'j' || evil[0] == 'a' ? "headers/x-run" : "");
  }
}

TEST(MailMessage, FurtherHeadersAreNoneOfOurs) {
  auto mail = hello();
  mail.headers = {{"X-Run", "run_01"}};
  EXPECT_THAT(compose_mail({}, mail, kNow), HasSubstr("\r\nX-Run: run_01\r\n"));
  for (const char* name : {"Bcc", "bcc", "Subject", "X Y", "X:", "", "Content-Type"}) {
    mail.headers = {{name, "value"}};
    EXPECT_NE(field_refused(mail), "") << name;
  }
}

TEST(MailMessage, WhatIsNoUtf8IsRefused) {
  auto mail = hello();
  mail.subject = "\xff";
  EXPECT_EQ(field_refused(mail), "subject");
  mail = hello();
  mail.html = "\xc3(";
  EXPECT_EQ(field_refused(mail), "text");
}

TEST(MailAddress, TakesWhatServersTake) {
  for (const char* good : {"jane@example.com", "j.doe+tag@sub.example-1.org", "o'brien@example.com", "a@localhost",
                           "x_y%z@xn--bcher-kva.example"})
    EXPECT_NO_THROW(validate_address("to", good)) << good;
}

TEST(MailAddress, RefusesTheRestAndSaysWhy) {
  for (const auto& bad :
       {std::string("jane"), std::string("@example.com"), std::string("jane@"), std::string("a b@example.com"),
        std::string(".a@example.com"), std::string("a..b@example.com"), std::string("a@example..com"),
        std::string("a@-example.com"), std::string("\"a b\"@example.com"), std::string("a@[127.0.0.1]"),
        std::string("a@b@example.com,c"), std::string("<a@example.com>"), std::string(65, 'a') + "@example.com",
        "a@" + std::string(64, 'b') + ".com", std::string(""), std::string("a@example.com\0b", 15)})
    EXPECT_THROW(validate_address("to", bad), base::Error) << bad;
  try {
    validate_address("to", "jane@bücher.example");
    ADD_FAILURE();
  } catch (const base::Error& error) {
    EXPECT_THAT(error.message(), HasSubstr("xn--"));
  }
}

TEST(EncodedWords, AreNeededOnlyBeyondAscii) {
  EXPECT_EQ(encode_words("Hello, world", 9), "Hello, world");
  EXPECT_EQ(encode_words("Grüße", 9), "=?UTF-8?B?R3LDvMOfZQ==?=");
  EXPECT_EQ(encode_words("=?UTF-8?Q?evil?=", 9).find("Q?evil"), std::string::npos);
}

TEST(EncodedWords, AreShortAndCutBetweenCharacters) {
  std::string text;
  for (int i = 0; i < 100; ++i) text += "日";
  for (const auto& line : lines_of(encode_words(text, 9))) EXPECT_LE(line.size(), 76U);
}

TEST(QuotedPrintable, IsWhatTheStandardSays) {
  EXPECT_EQ(quoted_printable("a=b ü\n"), "a=3Db =C3=BC\r\n");
  EXPECT_EQ(quoted_printable("end \nof\t\r\nline "), "end=20\r\nof=09\r\nline=20");
  EXPECT_EQ(quoted_printable("lone\rreturn"), "lone=0Dreturn");
  EXPECT_EQ(quoted_printable(std::string(80, 'x')), std::string(75, 'x') + "=\r\n" + std::string(5, 'x'));
}

}  // namespace
}  // namespace slipway::notify
