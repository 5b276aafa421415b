"""The official SDK of Simple Message Queue, as it is, against a queue of the simulator.

Usage: test_queue.py PATH_OF_THE_SIMULATOR
"""

import sys
import time

from mns.account import Account
from mns.mns_exception import MNSServerException
from mns.queue import Message, QueueMeta

from harness import run

NAME = "cloud-assistant-events"
EVENT = '{"type":"ecs:CloudAssistant:TaskCompleted","data":{"commandName":"<a> & \\"b\\" 张三"}}'


def queue(simulator, key="sdk-key", secret="sdk-secret", token="", name=NAME, encoded=False):
    account = Account(simulator.url, key, secret, token)
    found = account.get_queue(name)
    found.set_encoding(encoded)
    return found


def refused(call):
    try:
        call()
    except MNSServerException as error:
        return error.type
    raise AssertionError("was not refused")


def test_a_queue_is_missing_until_it_is_created(simulator):
    found = queue(simulator)
    assert refused(lambda: found.receive_message(0)) == "QueueNotExist"
    found.create(QueueMeta())
    attributes = found.get_attributes()
    assert (attributes.queue_name, attributes.active_messages) == (NAME, 0)
    assert attributes.visibility_timeout == 30, attributes.visibility_timeout


def test_messages_are_sent_received_and_deleted(simulator):
    found = queue(simulator)
    sent = found.send_message(Message(EVENT))
    peeked = found.peek_message()
    received = found.receive_message(1)
    assert received.message_body == peeked.message_body == EVENT, received.message_body
    assert received.message_id == sent.message_id
    assert received.message_body_md5 == sent.message_body_md5 != ""
    assert received.dequeue_count == 1
    assert refused(lambda: found.receive_message(0)) == "MessageNotExist", "it is hidden"
    found.delete_message(received.receipt_handle)
    assert refused(lambda: found.delete_message(received.receipt_handle)) == "ReceiptHandleError"


def test_bodies_may_be_base64(simulator):
    queue(simulator, encoded=True).send_message(Message(EVENT))
    received = queue(simulator, encoded=True).receive_message(1)
    assert received.message_body in (EVENT, EVENT.encode()), received.message_body
    queue(simulator).delete_message(received.receipt_handle)


def test_batches(simulator):
    found = queue(simulator)
    found.batch_send_message([Message(f"{number} {EVENT}") for number in range(16)])
    received = found.batch_receive_message(16, 30)
    assert [message.message_body for message in received] == [f"{number} {EVENT}" for number in range(16)]
    found.batch_delete_message([message.receipt_handle for message in received])
    assert found.get_attributes().active_messages == 0
    gone = refused(lambda: found.batch_delete_message([received[0].receipt_handle]))
    assert gone == "MessageNotExist", gone


def test_an_empty_queue_keeps_its_answer_back(simulator):
    since = time.monotonic()
    assert refused(lambda: queue(simulator).receive_message(1)) == "MessageNotExist"
    assert 0.9 < time.monotonic() - since < 10


def test_temporary_keys_come_with_their_token(simulator):
    queue(simulator, "STS.sdk-key", "sdk-secret", "CAISdk/+==").get_attributes()
    without = refused(lambda: queue(simulator, "STS.sdk-key").get_attributes())
    assert without == "InvalidSecurityToken", without


def test_wrong_keys_are_refused(simulator):
    assert refused(lambda: queue(simulator, secret="wrong").get_attributes()) == "SignatureDoesNotMatch"
    assert refused(lambda: queue(simulator, key="nobody").get_attributes()) == "InvalidAccessKeyId"


def test_limits(simulator):
    found = queue(simulator)
    assert refused(lambda: found.send_message(Message("x" * 65537))) == "InvalidArgument"
    found.send_message(Message("x" * 65536))
    found.delete_message(found.receive_message(1).receipt_handle)
    assert refused(lambda: found.batch_receive_message(17, 0)) == "InvalidArgument"


def test_a_queue_is_deleted(simulator):
    queue(simulator).delete()
    assert refused(lambda: queue(simulator).receive_message(0)) == "QueueNotExist"


if __name__ == "__main__":
    sys.exit(run(globals()))
