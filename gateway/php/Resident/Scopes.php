<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/** Which tokens of a file stand in the body of a function: they run with each call, the others once. */
final class Scopes
{
    /**
     * @param list<\PhpToken> $tokens without blanks and comments
     *
     * @return list<bool> false for members of a class: its methods' bodies count again
     */
    public static function of(array $tokens): array
    {
        $within = [];
        /** @var list<?bool> $open brackets: whether a function's or a class's; null for others */
        $open = [];
        // What the next brace opens.
        $next = null;
        /** @var list<int> $arrows how many brackets were open where they begin */
        $arrows = [];
        foreach ($tokens as $at => $token) {
            $depth = count($open);
            while ($arrows !== [] && ($depth < end($arrows) || ($depth === end($arrows) && in_array($token->text, [';', ',', ')', ']', '}'], true)))) {
                array_pop($arrows);
            }
            $within[] = $arrows !== [] || self::innermost($open);
            $before = $tokens[$at - 1] ?? null;
            if ($token->is(T_FN)) {
                $arrows[] = $depth;
            } elseif ($token->is(T_FUNCTION) && !$before?->is(T_USE)) {
                $next = true;
            } elseif ($token->is([T_CLASS, T_INTERFACE, T_TRAIT, T_ENUM]) && !$before?->is(T_DOUBLE_COLON)) {
                $next = false;
            } elseif ($token->text === ';') {
                $next = null;
            } elseif ($token->text === '{') {
                $open[] = $next;
                $next = null;
            } elseif (in_array($token->text, ['(', '[', '${', '#['], true) || $token->is(T_CURLY_OPEN)) {
                $open[] = null;
            } elseif (in_array($token->text, [')', ']', '}'], true)) {
                array_pop($open);
            }
        }

        return $within;
    }

    /** @param list<?bool> $open */
    private static function innermost(array $open): bool
    {
        for ($at = count($open) - 1; $at >= 0; --$at) {
            if ($open[$at] !== null) {
                return $open[$at];
            }
        }

        return false;
    }
}
