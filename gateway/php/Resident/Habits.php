<?php

declare(strict_types=1);

namespace FpmGateway\Resident;

/**
 * What PHP code of the usual kind relies on and a worker that stays does otherwise, found by reading a file, not by
 * running it: what stands in it by name, and nothing that it reaches through other files or names in variables.
 */
final class Habits
{
    private const ENDS = 'it ends the whole worker: return, or throw a Failure';
    private const ANSWER = 'a handler answers by what it returns: say it there, or keep this a script';
    private const REQUEST = 'it is empty: everything of a call is in $input and $call';
    private const UPLOADS = 'it knows no file of this engine: files come as UploadedFile objects, which have moveTo()';
    private const PUT_BACK = 'it is put back after the call, and told: set it in the bootstrap, or where it is needed each time';

    /** Functions, in lower case. */
    private const CALLS = [
        'register_shutdown_function' => 'it runs when the worker ends, many calls later: use $call->onReset()',
        'fastcgi_finish_request' => 'there is none here: leave what comes after the answer to another function, by $call->fire()',
        'header' => self::ANSWER,
        'header_remove' => self::ANSWER,
        'http_response_code' => self::ANSWER,
        'setcookie' => self::ANSWER,
        'setrawcookie' => self::ANSWER,
        'session_start' => 'there is no cookie to find one by: take what identifies the caller in the input',
        'set_time_limit' => 'it does not count waiting, and stays for later calls: say timeoutMs in the contract',
        'pcntl_fork' => 'the fork has copies of the worker\'s connections, and is ended with the handler: call another function',
        'move_uploaded_file' => self::UPLOADS,
        'is_uploaded_file' => self::UPLOADS,
        'chdir' => self::PUT_BACK,
        'putenv' => self::PUT_BACK,
        'setlocale' => self::PUT_BACK,
        'ini_set' => self::PUT_BACK,
        'ini_alter' => self::PUT_BACK,
    ];
    private const VARIABLES = [
        '$_GET' => self::REQUEST,
        '$_POST' => self::REQUEST,
        '$_FILES' => self::REQUEST,
        '$_COOKIE' => self::REQUEST,
        '$_REQUEST' => self::REQUEST,
        '$_SESSION' => 'there is no session: take what identifies the caller in the input',
        '$_SERVER' => 'it tells of the call and not of the HTTP request: take what the caller says in the input',
    ];
    private const INPUT = 'it is empty: the input is the handler\'s first argument';
    private const STAYS = 'what it holds stays for the next call: keep it in the bootstrap\'s value, or in $call->cache';

    /** Inside of functions only: beside them they run once. */
    private const DEFINE = 'the first caller\'s value stays for all later ones: define it in the bootstrap, or use a variable';
    private const ONCE = 'from the second call on it only returns true: load what declares things beside the handler, and values by require';
    private const NESTED = 'the second call fails with it, for there is one already: declare it beside the handler';

    /** @return list<array{line: int, what: string, instead: string}> in the order of the file; none without `tokenizer` */
    public static function of(string $file): array
    {
        $code = class_exists(\PhpToken::class) ? @file_get_contents($file) : false;

        return $code === false ? [] : self::found(self::code($code));
    }

    /** @return list<\PhpToken> without blanks, comments and attributes */
    private static function code(string $code): array
    {
        $tokens = [];
        $brackets = 0;
        foreach (\PhpToken::tokenize($code) as $token) {
            if ($token->is(T_ATTRIBUTE)) {
                $brackets = 1;
            } elseif ($brackets > 0) {
                $brackets += ['[' => 1, ']' => -1][$token->text] ?? 0;
            } elseif (!$token->isIgnorable()) {
                $tokens[] = $token;
            }
        }

        return $tokens;
    }

    /**
     * @param list<\PhpToken> $tokens
     *
     * @return list<array{line: int, what: string, instead: string}>
     */
    private static function found(array $tokens): array
    {
        $own = self::ownFunctions($tokens);
        $within = Scopes::of($tokens);
        $found = [];
        foreach ($tokens as $at => $token) {
            if (self::isMember($tokens, $at)) {
                continue;
            }
            [$what, $instead] = self::at($token, $tokens[$at + 1] ?? null, $own);
            if ($what === null && $within[$at]) {
                [$what, $instead] = self::within($tokens, $at, $own);
            }
            if ($what !== null) {
                // Twice in one line is told once.
                $found["$token->line $what"] ??= ['line' => $token->line, 'what' => $what, 'instead' => $instead];
            }
        }

        return array_values($found);
    }

    /**
     * @param array<string, true> $own
     *
     * @return array{?string, string}
     */
    private static function at(\PhpToken $token, ?\PhpToken $next, array $own): array
    {
        $name = ltrim($token->text, '\\');
        if ($token->is(T_EXIT)) {
            return [strtolower($name), self::ENDS];
        }
        if ($token->is(T_GLOBAL)) {
            return ['global', self::STAYS];
        }
        if ($token->is(T_VARIABLE)) {
            return isset(self::VARIABLES[$name]) ? [$name, self::VARIABLES[$name]] : [null, ''];
        }
        if ($token->is(T_CONSTANT_ENCAPSED_STRING)) {
            $text = strtolower(substr($name, 1, -1));

            return in_array($text, ['php://input', 'php://stdin'], true) ? [$text, self::INPUT] : [null, ''];
        }
        if (!$token->is([T_STRING, T_NAME_FULLY_QUALIFIED])) {
            return [null, ''];
        }
        $isCall = $next?->text === '(';
        if ($name === 'STDIN' && !$isCall && !$next?->is(T_DOUBLE_COLON)) {
            return [$name, self::INPUT];
        }
        $function = strtolower($name);
        $isOwn = $token->is(T_STRING) && isset($own[$function]);

        return $isCall && !$isOwn && isset(self::CALLS[$function]) ? ["$function()", self::CALLS[$function]] : [null, ''];
    }

    /**
     * Of what is a mistake in a function only.
     *
     * @param list<\PhpToken>     $tokens
     * @param array<string, true> $own
     *
     * @return array{?string, string}
     */
    private static function within(array $tokens, int $at, array $own): array
    {
        $token = $tokens[$at];
        $next = $tokens[$at + 1] ?? null;
        if ($token->is([T_REQUIRE_ONCE, T_INCLUDE_ONCE])) {
            return [strtolower($token->text), self::ONCE];
        }
        if ($token->is([T_STRING, T_NAME_FULLY_QUALIFIED]) && $next?->text === '(' && strtolower(ltrim($token->text, '\\')) === 'define') {
            return $token->is(T_STRING) && isset($own['define']) ? [null, ''] : ['define()', self::DEFINE];
        }
        if (!$token->is([T_FUNCTION, T_CLASS, T_INTERFACE, T_TRAIT, T_ENUM])) {
            return [null, ''];
        }
        $name = $next?->text === '&' ? ($tokens[$at + 2] ?? null) : $next;
        // Where it asks first there is one only.
        return $name?->is(T_STRING) && !self::asks($tokens) ? [strtolower($token->text) . " $name->text", self::NESTED] : [null, ''];
    }

    /** @param list<\PhpToken> $tokens */
    private static function asks(array $tokens): bool
    {
        foreach ($tokens as $token) {
            if (in_array(strtolower(ltrim($token->text, '\\')), ['function_exists', 'class_exists', 'interface_exists', 'trait_exists', 'enum_exists'], true)) {
                return true;
            }
        }

        return false;
    }

    /**
     * It only has such a name: a method, a constant, a class, a declaration, a named argument.
     *
     * @param list<\PhpToken> $tokens
     */
    private static function isMember(array $tokens, int $at): bool
    {
        $before = $tokens[$at - 1] ?? null;
        if ($before === null) {
            return false;
        }
        if ($tokens[$at]->is(T_VARIABLE)) {
            return $before->is(T_DOUBLE_COLON);
        }
        if ($before->text === '&' && ($tokens[$at - 2] ?? null)?->is(T_FUNCTION)) {
            return true;
        }
        $isArgument = in_array($before->text, ['(', ','], true) && ($tokens[$at + 1] ?? null)?->text === ':';
        $names = [T_OBJECT_OPERATOR, T_NULLSAFE_OBJECT_OPERATOR, T_DOUBLE_COLON, T_FUNCTION, T_NEW, T_CONST, T_CLASS];
        array_push($names, T_INTERFACE, T_TRAIT, T_EXTENDS, T_IMPLEMENTS, T_INSTANCEOF, T_CASE, T_USE, T_AS, T_INSTEADOF);

        return $isArgument || $before->is($names);
    }

    /**
     * Functions that are others in this file: imported, or declared in its namespace.
     *
     * @param list<\PhpToken> $tokens
     *
     * @return array<string, true>
     */
    private static function ownFunctions(array $tokens): array
    {
        $own = [];
        $hasNamespace = false;
        foreach ($tokens as $at => $token) {
            $next = $tokens[$at + 1] ?? null;
            $hasNamespace = $hasNamespace || ($token->is(T_NAMESPACE) && $next?->is([T_STRING, T_NAME_QUALIFIED]));
            if ($token->is(T_USE) && $next?->is(T_FUNCTION)) {
                $own += self::imported($tokens, $at + 2);
            }
            $isMethod = ($tokens[$at - 1] ?? null)?->is([T_PUBLIC, T_PROTECTED, T_PRIVATE, T_STATIC, T_FINAL, T_ABSTRACT]);
            if ($hasNamespace && $token->is(T_FUNCTION) && !$isMethod && $next?->is(T_STRING)) {
                $own[strtolower($next->text)] = true;
            }
        }

        return $own;
    }

    /**
     * `use function A\b, A\c as d;`, `use function A\{b, c as d};`
     *
     * @param list<\PhpToken> $tokens
     *
     * @return array<string, true>
     */
    private static function imported(array $tokens, int $at): array
    {
        $names = [];
        $name = '';
        for (; isset($tokens[$at]) && $tokens[$at]->text !== ';'; ++$at) {
            $token = $tokens[$at];
            if ($token->is([T_STRING, T_NAME_QUALIFIED, T_NAME_FULLY_QUALIFIED])) {
                $parts = explode('\\', $token->text);
                $name = strtolower((string) end($parts));
            }
            if (in_array(($tokens[$at + 1] ?? null)?->text, [',', ';', '}'], true) && $name !== '') {
                $names[$name] = true;
                $name = '';
            }
        }

        return $names;
    }
}
