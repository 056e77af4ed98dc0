// Publishes orders and listens for their workstations with Google's own client. Prints what it saw as JSON.
//
// PUBSUB_EMULATOR_HOST says where; ORDERS how many, and TOPIC, LISTENER whose.
import { PubSub } from '@google-cloud/pubsub';

const { PROJECT, TOPIC, LISTENER, ORDERS } = process.env;
const client = new PubSub({ projectId: PROJECT });
const count = Number(ORDERS);

const heard = new Map();
const all = new Promise((resolve, reject) => {
  const listener = client.subscription(LISTENER);
  listener.on('error', reject);
  listener.on('message', (message) => {
    const event = JSON.parse(message.data.toString());
    heard.set(event.user_id, { ...event, type: message.attributes.type });
    message.ack();
    if (heard.size === count) listener.close().then(resolve, reject);
  });
});

const topic = client.topic(TOPIC, { batching: { maxMessages: 5, maxMilliseconds: 10 }, messageOrdering: true });
const ids = await Promise.all(
  Array.from({ length: count }, (_, i) =>
    topic.publishMessage({
      json: { user_id: `npm-${i}`, org_id: 'acme', tier: 'starter', user_email: `npm-${i}@example.com` },
      attributes: { origin: 'checkout' },
      orderingKey: i % 2 === 0 ? 'acme' : undefined,
    }),
  ),
);
await all;
await client.close();
console.log(JSON.stringify({ ids, heard: [...heard.values()] }));
