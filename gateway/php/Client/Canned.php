<?php

declare(strict_types=1);

namespace FpmGateway\Client;

use FpmGateway\Binary;
use FpmGateway\Failure;

/**
 * Answers that a unit test has given, in place of a gateway.
 *
 * @internal
 */
final class Canned
{
    /** @param array<string, mixed> $answers by function */
    public function __construct(private readonly array $answers)
    {
    }

    public function result(string $function, mixed $input, string $requestId): Result
    {
        try {
            $value = $this->answer($function, $input);

            return new Result(self::asSent($value instanceof \Traversable ? iterator_to_array($value, false) : $value), null, $requestId, '');
        } catch (CallFailed $failure) {
            return new Result(null, $failure, $requestId, '');
        } catch (Failure $declared) {
            return new Result(null, self::declared($declared, $requestId), $requestId, '');
        }
    }

    /** @return \Generator<int, mixed> */
    public function stream(string $function, mixed $input): \Generator
    {
        try {
            $value = $this->answer($function, $input);
            foreach (is_iterable($value) ? $value : throw new \LogicException(sprintf('The answer of %s is %s: a stream needs something iterable.', $function, get_debug_type($value))) as $piece) {
                yield self::asSent($piece);
            }
        } catch (Failure $declared) {
            throw self::declared($declared, '');
        }
    }

    /**
     * @param iterable<mixed, mixed> $items
     *
     * @return \Generator<mixed, Result>
     */
    public function batch(iterable $items, ?string $function): \Generator
    {
        foreach ($items as $key => $item) {
            $item = $item instanceof Item ? $item : new Item((string) $function, $item);
            yield $key => $this->result($item->function, $item->input, 'fake');
        }
    }

    private function answer(string $function, mixed $input): mixed
    {
        // What could not be sent must not pass here.
        Input::body($function, $input);
        if (!array_key_exists($function, $this->answers)) {
            throw new \LogicException(sprintf('This fake has no answer of %s, only of: %s.', $function, implode(', ', array_keys($this->answers))));
        }
        $answer = $this->answers[$function];
        if ($answer instanceof \Closure) {
            $answer = $answer($input);
        }

        return $answer instanceof \Throwable ? throw $answer : $answer;
    }

    /** With the types it would have on its way through JSON. */
    private static function asSent(mixed $value): mixed
    {
        return $value instanceof Binary ? $value : json_decode(json_encode($value, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR);
    }

    private static function declared(Failure $failure, string $requestId): CallFailed
    {
        return new CallFailed($failure->failureCode, $failure->getMessage(), 422, 'yes', data: self::asSent($failure->data), requestId: $requestId, previous: $failure);
    }
}
