<?php

// Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.

declare(strict_types=1);

namespace App\Functions;

/** Calls the functions of the project: `new FunctionsClient($call->client())` in a handler, `Client::connect(…)` elsewhere. */
final class FunctionsClient
{
    public function __construct(private readonly \FpmGateway\Client\Client $client)
    {
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function ambiguous(AmbiguousInput $input = new AmbiguousInput(), ?int $timeoutMs = null): int
    {
        return $this->client->invoke('ambiguous', $input, timeoutMs: $timeoutMs);
    }

    /**
     * What has no class: arrays and scalars
     *
     * @throws \FpmGateway\Client\CallFailed
     */
    public function anything(AnythingInput $input, ?int $timeoutMs = null): AnythingOutput
    {
        $output = $this->client->invoke('anything', $input, timeoutMs: $timeoutMs);

        return AnythingOutput::fromArray($output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function changed(ChangedInput $input, ?int $timeoutMs = null): ChangedOutput
    {
        $output = $this->client->invoke('changed', $input, timeoutMs: $timeoutMs);

        return ChangedOutput::fromArray($output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function choices(ChoicesInput $input, ?int $timeoutMs = null): ChoicesOutput
    {
        $output = $this->client->invoke('choices', $input, timeoutMs: $timeoutMs);

        return ChoicesOutput::fromArray($output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function collections(CollectionsInput $input, ?int $timeoutMs = null): CollectionsOutput
    {
        $output = $this->client->invoke('collections', $input, timeoutMs: $timeoutMs);

        return CollectionsOutput::fromArray($output);
    }

    /**
     * @return \Generator<int, int>
     * @throws \FpmGateway\Client\CallFailed
     */
    public function count(mixed $input, ?int $timeoutMs = null): \Generator
    {
        return $this->client->stream('count', $input, timeoutMs: $timeoutMs);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function dates(DatesInput $input, ?int $timeoutMs = null): DatesOutput
    {
        $output = $this->client->invoke('dates', $input, timeoutMs: $timeoutMs);

        return DatesOutput::fromArray($output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function either(EitherInputA|EitherInputB $input, ?int $timeoutMs = null): EitherOutputA|EitherOutputB|null
    {
        $output = $this->client->invoke('either', $input, timeoutMs: $timeoutMs);

        return $output === null ? null : match ($output['kind']) {
            'a' => EitherOutputA::fromArray($output),
            'b' => EitherOutputB::fromArray($output),
        };
    }

    /**
     * @return list<ListType>
     * @throws \FpmGateway\Client\CallFailed
     */
    public function keywords(KeywordsInput $input, ?int $timeoutMs = null): array
    {
        $output = $this->client->invoke('keywords', $input, timeoutMs: $timeoutMs);

        return array_map(ListType::fromArray(...), $output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function names(NamesInput $input, ?int $timeoutMs = null): NamesOutput
    {
        $output = $this->client->invoke('names', $input, timeoutMs: $timeoutMs);

        return NamesOutput::fromArray($output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function numbered(NumberedInput $input, ?int $timeoutMs = null): NumberedOutput
    {
        $output = $this->client->invoke('numbered', $input, timeoutMs: $timeoutMs);

        return NumberedOutput::fromArray($output);
    }

    /**
     * Types that functions share
     *
     * Money is one class, whoever uses it.
     *
     * @throws \FpmGateway\Client\CallFailed sold-out (its data: OrderErrorSoldOut), too-many (its data: int), gone (its data: list<Money>)
     */
    public function order(OrderInput $input, ?int $timeoutMs = null): OrderOutput
    {
        $output = $this->client->invoke('order', $input, timeoutMs: $timeoutMs);

        return OrderOutput::fromArray($output);
    }

    /**
     * Input and output are no objects
     *
     * @param list<\DateTimeImmutable> $input
     * @return array<string, int>
     * @throws \FpmGateway\Client\CallFailed
     */
    public function plain(array $input, ?int $timeoutMs = null): array
    {
        return $this->client->invoke('plain', self::asList(array_map(static fn (mixed $item): mixed => $item->format('Y-m-d'), $input)), timeoutMs: $timeoutMs);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function presence(PresenceInput $input, ?int $timeoutMs = null): PresenceOutput
    {
        $output = $this->client->invoke('presence', $input, timeoutMs: $timeoutMs);

        return PresenceOutput::fromArray($output);
    }

    /**
     * @return list<Money>
     * @throws \FpmGateway\Client\CallFailed
     */
    public function price(Money $input, ?int $timeoutMs = null): array
    {
        $output = $this->client->invoke('price', $input, timeoutMs: $timeoutMs);

        return array_map(Money::fromArray(...), $output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function recursive(RecursiveInput $input, ?int $timeoutMs = null): RecursiveOutput
    {
        $output = $this->client->invoke('recursive', $input, timeoutMs: $timeoutMs);

        return RecursiveOutput::fromArray($output);
    }

    /**
     * Values of one kind
     *
     * @throws \FpmGateway\Client\CallFailed
     */
    public function scalars(ScalarsInput $input, ?int $timeoutMs = null): ScalarsOutput
    {
        $output = $this->client->invoke('scalars', $input, timeoutMs: $timeoutMs, idempotent: true);

        return ScalarsOutput::fromArray($output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function shopList(ShopInput $input = new ShopInput(), ?int $timeoutMs = null): \FpmGateway\Binary
    {
        return $this->client->invoke('shop/list.php', $input, timeoutMs: $timeoutMs);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function shopAdminOrders(ShopInput $input = new ShopInput(), ?int $timeoutMs = null): \FpmGateway\Binary
    {
        return $this->client->invoke('shop/admin/orders.php', $input, timeoutMs: $timeoutMs);
    }

    /**
     * @return \Generator<int, string>
     * @throws \FpmGateway\Client\CallFailed
     */
    public function store(\FpmGateway\UploadedFile|\FpmGateway\Client\File $input, ?int $timeoutMs = null): \Generator
    {
        return $this->client->stream('store', $input, timeoutMs: $timeoutMs);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function unions(UnionsInput $input, ?int $timeoutMs = null): UnionsOutput
    {
        $output = $this->client->invoke('unions', $input, timeoutMs: $timeoutMs);

        return UnionsOutput::fromArray($output);
    }

    /** @throws \FpmGateway\Client\CallFailed */
    public function upload(UploadInput $input, ?int $timeoutMs = null): \FpmGateway\Binary
    {
        return $this->client->invoke('upload', self::withFiles($input, ['main' => true, 'more' => true, 'extra' => true]), timeoutMs: $timeoutMs);
    }

    /**
     * @return \Generator<int, WatchItem>
     * @throws \FpmGateway\Client\CallFailed no-such-log (its data: WatchErrorNoSuchLog)
     */
    public function watch(WatchInput $input = new WatchInput(), ?int $timeoutMs = null): \Generator
    {
        foreach ($this->client->stream('watch', $input, timeoutMs: $timeoutMs) as $item) {
            yield WatchItem::fromArray($item);
        }
    }

    /**
     * @param array<string, true> $names of members that are files, or lists of files
     * @return array<string, mixed>
     */
    private static function withFiles(\JsonSerializable $input, array $names): array
    {
        $data = (array) $input->jsonSerialize();
        $files = array_intersect_key($data, $names);
        $others = json_encode((object) array_diff_key($data, $names), JSON_THROW_ON_ERROR);

        return $files + (array) json_decode($others, false, 512, JSON_THROW_ON_ERROR);
    }

    /** @param array<array-key, mixed> $list */
    private static function asList(array $list): array|\JsonSerializable
    {
        return $list !== [] ? $list : new class () implements \JsonSerializable {
            /** @return list<never> */
            public function jsonSerialize(): array
            {
                return [];
            }
        };
    }
}
